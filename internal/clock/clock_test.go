package clock_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/clock"
)

// diary notes what happens at which platform time.
type diary struct {
	clock *clock.Clock
	begun time.Time

	mu    sync.Mutex
	lines []string
}

func newDiary(c *clock.Clock) *diary { return &diary{clock: c, begun: c.Now()} }

func (d *diary) note(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf("%s at %v", what, d.clock.Now().Sub(d.begun)))
}

func (d *diary) expect(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		t.Errorf("got  %q\nwant %q", d.lines, want)
	}
}

func TestStoppedTimerNeverFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Close()
		d := newDiary(c)
		timer := c.AfterFunc(c.Now().Add(time.Second), func() { d.note("fired") })
		if !timer.Stop() || timer.Stop() {
			t.Error("Stop answers true once, while the timer waits")
		}
		time.Sleep(time.Minute)
		if err := c.Advance(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		d.expect(t)
	})
}

func TestAdvanceGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Close()
		c.Begin() // never ends
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		before := c.Now()
		if err := c.Advance(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Advance returned %v", err)
		}
		if got := c.Now().Sub(before); got != 10*time.Second {
			t.Errorf("time moved by %v while Advance waited in vain for 10 s", got)
		}
	})
}

func TestAdvanceStopsWhereTheOffsetCannotBeSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, full := clock.New(), errors.New("disk full")
		defer c.Close()
		c.Keep(time.Hour, func(_ context.Context, offset time.Duration) error {
			if offset > time.Hour+time.Minute {
				return full
			}
			return nil
		})
		d := newDiary(c)
		c.AfterFunc(c.Now().Add(time.Minute), func() { d.note("first") })
		c.AfterFunc(c.Now().Add(2*time.Minute), func() { d.note("second") })
		if err := c.Advance(t.Context(), time.Hour); !errors.Is(err, full) {
			t.Errorf("Advance returned %v", err)
		}
		d.expect(t, "first at 1m0s")
		if got := c.Offset(); got != time.Hour+time.Minute {
			t.Errorf("offset %v, saved was 1h1m", got)
		}
	})
}

func TestTimeIsNotMovedBack(t *testing.T) {
	c := clock.New()
	defer c.Close()
	if err := c.Advance(t.Context(), -time.Second); err == nil || !strings.Contains(err.Error(), "moved back") {
		t.Errorf("Advance returned %v", err)
	}
}

// What does not fit is refused; it must not come out as nothing, or as a step back.
func TestTimeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Close()
		before := c.Now()
		if err := c.Advance(t.Context(), math.MaxInt64); err == nil || !strings.Contains(err.Error(), "2262") {
			t.Errorf("Advance returned %v", err)
		}
		if now := c.Now(); !now.Equal(before) {
			t.Errorf("moved to %v", now)
		}
		last := time.Unix(0, math.MaxInt64)
		if err := c.Advance(t.Context(), last.Sub(before)-time.Hour); err != nil {
			t.Error(err)
		}
		if err := c.Advance(t.Context(), 2*time.Hour); err == nil {
			t.Errorf("moved to %v", c.Now())
		}
	})
}

func TestAdvanceStepsThroughAllTimersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Close()
		saved := []time.Duration{}
		c.Keep(0, func(_ context.Context, offset time.Duration) error { saved = append(saved, offset); return nil })
		d := newDiary(c)
		at := func(d time.Duration) time.Time { return c.Now().Add(d) }
		c.AfterFunc(at(3*time.Hour), func() { d.note("c") })
		c.AfterFunc(at(time.Hour), func() {
			d.note("a")
			c.AfterFunc(at(time.Hour), func() { d.note("b") }) // set on the way, due on the way
		})
		c.AfterFunc(at(3*time.Hour), func() { d.note("d") }) // the same instant: in the order they were set
		late := c.AfterFunc(at(30*time.Hour), func() { d.note("moved") })
		late.Reset(at(4 * time.Hour))
		c.AfterFunc(at(5*time.Hour), func() { d.note("too late") })
		if err := c.Advance(t.Context(), 4*time.Hour+time.Minute); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "a at 1h0m0s", "b at 2h0m0s", "c at 3h0m0s", "d at 3h0m0s", "moved at 4h0m0s")
		want := []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 4*time.Hour + time.Minute}
		if !slices.Equal(saved, want) {
			t.Errorf("saved %v, want %v", saved, want)
		}
		time.Sleep(time.Hour) // from there it runs as usual
		d.expect(t, "a at 1h0m0s", "b at 2h0m0s", "c at 3h0m0s", "d at 3h0m0s", "moved at 4h0m0s", "too late at 5h0m0s")
	})
}

func TestAdvanceWaitsForTheWorkOfEachTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Close()
		d := newDiary(c)
		var work sync.WaitGroup
		defer work.Wait()
		c.AfterFunc(c.Now().Add(time.Minute), func() {
			c.Begin()
			work.Go(func() { // the timer's function has returned, its work goes on
				defer c.End()
				time.Sleep(300 * time.Millisecond)
				d.note("work")
				c.AfterFunc(c.Now().Add(time.Second), func() { d.note("work's timer") })
			})
		})
		c.AfterFunc(c.Now().Add(2*time.Minute), func() { d.note("next") })
		if err := c.Advance(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "work at 1m0s", "work's timer at 1m1s", "next at 2m0s")
	})
}

func TestWorkThatWaitsForTimeIsGivenTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Close()
		d := newDiary(c)
		c.AfterFunc(c.Now().Add(time.Minute), func() { // a function that polls a queue for 20 s, say
			done := make(chan struct{})
			c.AfterFunc(c.Now().Add(20*time.Second), func() { close(done) })
			<-done
			d.note("polled")
		})
		c.AfterFunc(c.Now().Add(time.Hour), func() { d.note("next") })
		if err := c.Advance(t.Context(), 2*time.Hour); err != nil {
			t.Fatal(err)
		}
		d.expect(t, "polled at 1m20s", "next at 1h0m0s")
	})
}

func TestTwoAdvancesFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Close()
		before := c.Now()
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if err := c.Advance(t.Context(), time.Hour); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if got := c.Now().Sub(before); got != 2*time.Hour {
			t.Errorf("moved by %v", got)
		}
	})
}

func TestOrdinaryTimersFireInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		defer c.Close()
		d := newDiary(c)
		c.AfterFunc(c.Now().Add(5*time.Minute), func() { d.note("far") })
		c.AfterFunc(c.Now().Add(time.Second), func() { d.note("near") })
		c.AfterFunc(c.Now().Add(-time.Second), func() { d.note("past") })
		c.AfterFunc(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), func() { d.note("never") })
		synctest.Wait()
		d.expect(t, "past at 0s")
		time.Sleep(10 * time.Minute)
		d.expect(t, "past at 0s", "near at 1s", "far at 5m0s")
	})
}

func TestCloseWaitsForWhatHasFired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		d := newDiary(c)
		c.AfterFunc(c.Now(), func() {
			time.Sleep(time.Second)
			d.note("done")
		})
		c.AfterFunc(c.Now().Add(time.Minute), func() { d.note("never") })
		synctest.Wait()
		c.Close()
		d.expect(t, "done at 1s")
		c.AfterFunc(c.Now(), func() { d.note("after the end") })
		time.Sleep(time.Hour)
		d.expect(t, "done at 1s")
	})
}

// Real time, so that the race detector sees the alarm, Advance and timers of many goroutines at once.
func TestManyTimersAtOnce(t *testing.T) {
	c := clock.New()
	defer c.Close()
	var fired sync.WaitGroup
	for i := range 50 {
		fired.Add(20)
		go func() {
			for j := range 20 {
				at := c.Now().Add(time.Duration(i*j) * time.Millisecond)
				timer := c.AfterFunc(at.Add(time.Hour), fired.Done)
				timer.Reset(at)
			}
		}()
	}
	for range 20 {
		if err := c.Advance(t.Context(), 50*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	fired.Wait()
}
