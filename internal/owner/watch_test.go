package owner_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// census is what a watcher of a node was told.
type census struct {
	mu    sync.Mutex
	owned [owner.Partitions]bool
	again int // of partitions it knew to be owned
}

func (c *census) watch(n *owner.Node) *census {
	n.Watch(func(p uint16, owned bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.owned[p] && owned {
			c.again++
		}
		c.owned[p] = owned
	})
	return c
}

func (c *census) count(t *testing.T, n *owner.Node) (number, again int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, owned := range c.owned {
		if f, asked := n.Owned(uint16(p)); asked != owned || asked != (f.Key != nil) {
			t.Errorf("partition %d: told %v, asked %v with fence %v", p, owned, asked, f)
		}
		if owned {
			number++
		}
	}
	return number, c.again
}

func TestWatchersHearOfEveryPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, memory.New(memory.Options{}), "a", "b")
		a, b := c.node("a"), c.node("b")
		first, second := new(census).watch(a.node), new(census).watch(b.node)
		time.Sleep(time.Minute)
		synctest.Wait()
		of, _ := first.count(t, a.node)
		ofB, _ := second.count(t, b.node)
		if of == 0 || ofB == 0 || of+ofB != owner.Partitions {
			t.Errorf("a has %d partitions, b has %d", of, ofB)
		}
		c.kill("b")
		time.Sleep(time.Minute)
		synctest.Wait()
		if all, again := first.count(t, a.node); all != owner.Partitions || again != of {
			t.Errorf("after b's death a has %d partitions, and heard again of %d that it had: want %d", all, again, of)
		}
		c.halt("a")
		if left, _ := first.count(t, a.node); left != 0 {
			t.Errorf("a node that stopped has %d partitions", left)
		}
	})
}
