package owner

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// plan says which live node should own each partition. Every node works it out by itself from the same members.
type plan [Partitions]string

// planOf gives each partition to the node that scores highest there, so that a node that comes or goes moves little more than
// what it takes or leaves; but to no node more than its even share, rounded. A node that is leaving gets none.
func planOf(live map[string]member) *plan {
	type candidate struct {
		id   string
		hash uint64
		load int
	}
	var nodes []candidate
	for id, m := range live {
		if !m.Leaving {
			h := fnv.New64a()
			h.Write([]byte(id))
			nodes = append(nodes, candidate{id: id, hash: h.Sum64()})
		}
	}
	all := new(plan)
	if len(nodes) == 0 {
		return all
	}
	slices.SortFunc(nodes, func(a, b candidate) int { return cmp.Compare(a.id, b.id) })
	share, rest := Partitions/len(nodes), Partitions%len(nodes) // so many nodes may have one more
	for p := range all {
		var best *candidate
		var top uint64
		for i := range nodes {
			c := &nodes[i]
			if c.load > share || c.load == share && rest == 0 {
				continue
			}
			if score := mix(c.hash + uint64(p)*0x9e3779b97f4a7c15); best == nil || score > top {
				best, top = c, score
			}
		}
		if best.load == share {
			rest--
		}
		best.load++
		all[p] = best.id
	}
	return all
}

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
