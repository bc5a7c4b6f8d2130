package owner_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

func (c *counters) owned() (n int) {
	for p := range uint16(owner.Partitions) {
		if _, ok := c.node.Owned(p); ok {
			n++
		}
	}
	return n
}

// Who is given partitions begins with them without asking the store, which may be slow just then.
func TestHeirsBeginAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, memory.New(memory.Options{}), "a", "b", "c")
		time.Sleep(5 * time.Second)
		resume := c.node("b").gate.pause()
		defer resume()
		if err := c.node("a").node.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b, c := c.node("b").owned(), c.node("c").owned(); b < 490 || b+c != owner.Partitions {
			t.Errorf("b owns %d partitions, c %d", b, c)
		}
		for p := range uint16(owner.Partitions) {
			if holder := c.node("a").node.Holder(p); holder == "a" || c.node("c").node.Holder(p) != holder {
				t.Fatalf("partition %d: a sends to %q, c to %q", p, holder, c.node("c").node.Holder(p))
			}
		}
	})
}

// What a dead node had is the others' within its lease and a heartbeat, which is a fifth of it, whenever it dies.
func TestDeadNodeIsReplacedWhenItsLeaseEnds(t *testing.T) {
	const lease = 2 * time.Second
	for _, after := range []int{0, 100, 200, 300, 399} {
		synctest.Test(t, func(t *testing.T) {
			e, bell := memory.New(memory.Options{}), &owner.Bell{}
			start := func(id string) (*counters, *gate) {
				g := &gate{engine: e}
				w := newWorld(t, g)
				w.bell = bell
				c, _ := w.start(t, owner.Options{ID: id, Lease: lease})
				return c, g
			}
			a, dying := start("a")
			time.Sleep(130 * time.Millisecond)
			b, _ := start("b")
			time.Sleep(50 * time.Millisecond)
			c, _ := start("c")
			time.Sleep(5*time.Second + time.Duration(after)*time.Millisecond)
			dying.kill()
			began := time.Now()
			for b.owned()+c.owned() < owner.Partitions && time.Since(began) < 10*time.Second {
				time.Sleep(5 * time.Millisecond)
			}
			if took := time.Since(began); took > lease+lease/5+5*time.Millisecond || took < lease-lease/5 {
				t.Errorf("it took %v", took)
			}
			a.stop()
		})
	}
}

// A node that nobody tells finds in the store what it was given.
func TestHeirThatHearsNothingLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.New(memory.Options{}))
		w.bell = nil
		a, _ := w.start(t, owner.Options{ID: "a"})
		b, _ := w.start(t, owner.Options{ID: "b"})
		time.Sleep(5 * time.Second)
		if err := a.node.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := b.owned(); n != owner.Partitions {
			t.Errorf("b owns %d partitions", n)
		}
	})
}

// What is told late, twice, or to a later process of the name is not so any more.
func TestLateInheritanceIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.New(memory.Options{}))
		w.bell = nil
		told := owner.Heirs{}
		tell := func(_ context.Context, h owner.Heirs) { maps.Copy(told, h) }
		a, _ := w.start(t, owner.Options{ID: "a", TellHeirs: tell})
		b, stop := w.start(t, owner.Options{ID: "b"})
		time.Sleep(5 * time.Second)
		if err := a.node.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		given := slices.Collect(maps.Keys(told["b"].Epochs))
		if len(given) == 0 {
			t.Fatalf("b was given nothing: %v", told)
		}
		had := b.owned()
		b.node.Inherit(told)
		b.node.Inherit(told)
		if n := b.owned(); n != had+len(given) {
			t.Errorf("b owns %d partitions, had %d and was given %d", n, had, len(given))
		}
		a.stop()
		c, _ := w.start(t, owner.Options{ID: "c"})
		time.Sleep(5 * time.Second)
		if err := b.node.Leave(t.Context()); err != nil { // c has all now
			t.Fatal(err)
		}
		b.node.Inherit(told)
		if n := b.owned(); n != 0 {
			t.Errorf("b took %d partitions for its own that it had given away", n)
		}
		stop()
		b, _ = w.start(t, owner.Options{ID: "b"})
		time.Sleep(5 * time.Second)
		had = b.owned()
		b.node.Inherit(told)
		if n := b.owned(); n != had || n+c.owned() != owner.Partitions {
			t.Errorf("b owns %d partitions, had %d, and c %d", n, had, c.owned())
		}
	})
}
