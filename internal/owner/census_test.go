package owner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
	"github.com/obidos-cloud/obidos/internal/owner"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
)

// shares is how many partitions each node owns.
func (c *cluster) shares(at string) map[string]int {
	c.t.Helper()
	members, free, err := c.node(at).node.Census(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	if free != 0 {
		c.t.Errorf("nobody owns %d partitions", free)
	}
	shares := map[string]int{}
	for _, m := range members {
		shares[m.ID] = m.Partitions
	}
	return shares
}

func TestPartitionsAreSpreadEvenlyAsNodesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, memory.New(memory.Options{}), "a", "b", "c")
		want := func(at string, shares ...int) {
			t.Helper()
			time.Sleep(5 * time.Second)
			got := c.shares(at)
			if len(got) != len(shares) {
				t.Fatalf("members %v, want %d", got, len(shares))
			}
			for id, n := range got {
				if n < shares[0] || n > shares[len(shares)-1] {
					t.Errorf("%s owns %d of %v", id, n, got)
				}
			}
		}
		want("a", 341, 341, 342)
		c.halt("b")
		want("a", 512, 512)
		c.kill("c")
		want("a", 1024)
		c.start("b")
		want("a", 512, 512)
	})
}

// A node that leaves goes on answering, that what it is asked for is elsewhere, and takes nothing.
func TestNodeThatLeavesHandsOverWhileItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, memory.New(memory.Options{}), "a", "b")
		time.Sleep(5 * time.Second)
		first := c.ownerOf("x")
		next := other(first)
		began := time.Now()
		if err := c.node(first).node.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, at := range []string{first, next} {
			if _, err := c.add(t.Context(), at, "x"); err != nil {
				t.Errorf("asked at %s: %v", at, err)
			}
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if n, err := c.add(t.Context(), first, "x"); n != 3 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		time.Sleep(10 * time.Second)
		if got := c.shares(next); got[first] != 0 || got[next] != owner.Partitions {
			t.Errorf("shares %v", got)
		}
	})
}

func TestLastNodeThatLeavesRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, memory.New(memory.Options{}), "a")
		if _, err := c.node("a").add(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		if err := c.node("a").node.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.node("a").add(t.Context(), "x"); !errors.Is(err, owner.ErrStopped) {
			t.Errorf("got %v", err)
		}
	})
}

// join runs a node over space, and gives what ended it before d was over, nil where nothing did.
func join(t *testing.T, space store.Space, c *clock.Clock, o owner.Options, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	err := owner.New(space, c, o).Run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func TestNodesWhoseFormatsDoNotFitAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name      string
		first     owner.Formats // was here, and has gone
		there     owner.Formats // is here
		joins     owner.Formats
		complains string
	}{
		{"same", owner.Formats{}, owner.Formats{}, owner.Formats{}, ""},
		{"the next beside this", owner.Formats{}, owner.Formats{Newest: 1}, owner.Formats{Newest: 2, Oldest: 1}, ""},
		{"this beside the next", owner.Formats{}, owner.Formats{Newest: 2, Oldest: 1}, owner.Formats{Newest: 1}, "node there runs"},
		{"one that reads no more what is written", owner.Formats{}, owner.Formats{Newest: 1}, owner.Formats{Newest: 3, Oldest: 2}, "from 2 on"},
		{"back, once all had been upgraded", owner.Formats{Newest: 2, Oldest: 1}, owner.Formats{Newest: 2, Oldest: 1}, owner.Formats{Newest: 1}, "knows up to 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine, c := memory.New(memory.Options{}), clock.New()
				defer c.Close()
				space := (&store.Store{Engine: engine, Clock: c}).Space(owner.SpaceName)
				if err := join(t, space, c, owner.Options{ID: "first", Formats: tt.first, Version: "v0"}, time.Second); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() {
					ended <- owner.New(space, c, owner.Options{ID: "there", Formats: tt.there, Version: "v1"}).Run(ctx)
				}()
				time.Sleep(time.Second)
				o := owner.Options{ID: "joins", Formats: tt.joins, Version: "v2"}
				err := join(t, space, c, o, time.Minute)
				_, unfit := errors.AsType[*owner.FormatError](err)
				switch {
				case tt.complains == "" && err != nil:
					t.Errorf("refused: %v", err)
				case tt.complains != "" && (!unfit || !strings.Contains(fmt.Sprint(err), tt.complains)):
					// The store's own format may be what refuses first.
					if !unfit || !strings.Contains(fmt.Sprint(err), "knows up to") {
						t.Errorf("got %v, want %q", err, tt.complains)
					}
				}
				if checked := owner.New(space, c, o).Check(ctx); (checked != nil) != (tt.complains != "") {
					t.Errorf("Check says %v", checked)
				}
				cancel()
				<-ended
			})
		})
	}
}

// Two processes under one name would take each other's place for ever: the one that was there first gives up, and says why.
func TestSecondProcessOfOneNameReplacesTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, c := memory.New(memory.Options{}), clock.New()
		defer c.Close()
		space := (&store.Store{Engine: engine, Clock: c}).Space(owner.SpaceName)
		ended := make(chan error, 1)
		go func() {
			ended <- join(t, space, c, owner.Options{ID: "a", Address: "here"}, time.Minute)
		}()
		time.Sleep(time.Second)
		if err := join(t, space, c, owner.Options{ID: "a", Address: "there"}, 10*time.Second); err != nil {
			t.Error(err)
		}
		if e, ok := errors.AsType[*owner.NameError](<-ended); !ok || e.Address != "there" {
			t.Errorf("the first ended with %v", e)
		}
	})
}

func TestFloorsRiseAndNobodyTakesPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine, c := memory.New(memory.Options{}), clock.New()
		defer c.Close()
		space := (&store.Store{Engine: engine, Clock: c}).Space(owner.SpaceName)
		if err := join(t, space, c, owner.Options{ID: "a"}, time.Second); err != nil {
			t.Fatal(err)
		}
		read := func() owner.Floors {
			f, err := store.View(t.Context(), space, func(tx *store.Tx) (owner.Floors, error) { return owner.ReadFloors(tx, space), nil })
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		before := read()
		before.Join(owner.Floors{Terms: map[string]uint64{"b": 7}, Partitions: map[uint16]uint64{3: 90}})
		if _, err := store.UpdateWith(t.Context(), space, store.UpdateOptions{Owned: true}, func(tx *store.Tx) (struct{}, error) {
			owner.Forget(tx, space)
			before.Raise(tx, space)
			return struct{}{}, nil
		}); err != nil {
			t.Fatal(err)
		}
		after := read()
		if after.Terms["a"] != before.Terms["a"]+1 || after.Terms["b"] != 8 || after.Partitions[3] != 91 || after.Partitions[4] != before.Partitions[4]+1 {
			t.Errorf("terms %v, partition 3 %d, 4 %d", after.Terms, after.Partitions[3], after.Partitions[4])
		}
		if members, err := owner.Members(t.Context(), space); len(members) != 0 || err != nil {
			t.Errorf("members %v, %v", members, err)
		}
	})
}
