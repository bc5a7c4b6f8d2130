package policy

import "sync"

// Cache keeps compiled policies by their text, so that a document that is attached to many, or read again, is compiled once. It
// holds at most as many bytes of text as it was made for: what was not asked for in a while goes first.
type Cache struct {
	limit int

	mu sync.Mutex
	// Two generations: young fills up to half of the limit and becomes old, which is dropped.
	young, old map[cacheKey]cached
	size       int // of young's texts
}

type cacheKey struct {
	kind Kind
	read bool // lenient; kind is then nothing
	text string
}

type cached struct {
	policy *Policy
	err    error
}

// NewCache makes a cache for as many bytes of documents.
func NewCache(limit int) *Cache {
	return &Cache{limit: limit, young: map[cacheKey]cached{}}
}

// Parse is Parse.
func (c *Cache) Parse(text string, kind Kind) (*Policy, error) {
	return c.get(cacheKey{kind: kind, text: text})
}

// Read is Read.
func (c *Cache) Read(text string) (*Policy, error) {
	return c.get(cacheKey{read: true, text: text})
}

func (c *Cache) get(k cacheKey) (*Policy, error) {
	c.mu.Lock()
	v, ok := c.young[k]
	if !ok {
		if v, ok = c.old[k]; ok {
			c.add(k, v)
		}
	}
	c.mu.Unlock()
	if ok {
		return v.policy, v.err
	}
	if k.read {
		v.policy, v.err = Read(k.text)
	} else {
		v.policy, v.err = Parse(k.text, k.kind)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(k, v)
	return v.policy, v.err
}

// add puts v among the young. c.mu is held.
func (c *Cache) add(k cacheKey, v cached) {
	if len(k.text) > c.limit/2 {
		return
	}
	if _, ok := c.young[k]; ok {
		return
	}
	if c.size += len(k.text); c.size > c.limit/2 {
		c.old, c.young, c.size = c.young, map[cacheKey]cached{}, len(k.text)
	}
	c.young[k] = v
}
