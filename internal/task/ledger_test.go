package task_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/task"
)

func TestDeliveryIsTakenOnceAndForgottenWithItsTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 1})
		r := w.runner(task.RunnerOptions{})
		ledger := task.NewLedger(w.store.Space("task"))
		var id string
		answers := []error{errors.New("the answer was lost"), nil}
		take := func() (note string, taken bool) {
			w.update(func(tx *store.Tx) { note, taken = ledger.Take(tx, id, "first") })
			return note, taken
		}
		q := task.NewQueue(r, "test", func(ctx context.Context, own string, _ int) error {
			if id = aws.RequestOf(ctx).Delivery; id != own {
				t.Errorf("delivery %q of task %q", id, own)
			}
			note, taken := take()
			if first := task.TryOf(ctx).Number == 1; taken == first || note == "first" == first {
				t.Errorf("try %d: taken %v with note %q", task.TryOf(ctx).Number, taken, note)
			}
			err := answers[0]
			answers = answers[1:]
			return err
		}, task.Options{Once: true})
		w.run(r)
		w.update(func(tx *store.Tx) { q.Add(tx, 1, task.Add{}) })
		pass(time.Minute)
		if len(answers) != 0 {
			t.Fatal("not tried again")
		}
		// A call that was under way all the time comes too late.
		if note, taken := take(); !taken || note != "" {
			t.Errorf("after the task: taken %v with note %q", taken, note)
		}
	})
}

// batch is an owner's batch: writes, and what follows when they are durable.
type batch struct {
	*store.Writes
	then []func()
}

func (b *batch) Then(fn func()) { b.then = append(b.then, fn) }

func (b *batch) commit(t *testing.T, w *world, lazy bool) {
	_, err := store.UpdateWith(w.ctx(), w.space, store.UpdateOptions{Lazy: lazy}, func(tx *store.Tx) (struct{}, error) {
		tx.Apply(b.Writes)
		return struct{}{}, nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, fn := range b.then {
		fn()
	}
}

func TestOwnedObjectTakesADeliveryOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{Seed: 2})
		r := w.runner(task.RunnerOptions{})
		ledger := task.NewLedger(w.store.Space("task"))
		release := make(chan struct{})
		var id string
		q := task.NewQueue(r, "test", func(_ context.Context, own string, _ int) error {
			id = own
			<-release
			return nil
		}, task.Options{Once: true})
		w.run(r)
		b := &batch{Writes: store.NewWrites(w.space, scope)}
		q.Add(b, 1, task.Add{})
		b.commit(t, w, true) // so the newest durable state does not show the task
		synctest.Wait()

		var pending task.Pending
		expect := func(wantNote string, wantTaken bool, wantErr error) {
			t.Helper()
			note, taken, err := ledger.Taken(w.ctx(), pending, id)
			if note != wantNote || taken != wantTaken && err == nil || !errors.Is(err, wantErr) {
				t.Errorf("taken %v with note %q, %v", taken, note, err)
			}
		}
		expect("", false, nil)
		b = &batch{Writes: store.NewWrites(w.space, scope)}
		ledger.Record(&pending, b, id, "message 1")
		expect("", false, task.ErrPending) // another node's call of the same task
		refused := pending
		pending = nil // the commit failed, and the object's memory is dropped
		expect("", false, nil)
		pending = refused
		b.commit(t, w, false)
		expect("message 1", true, nil)
		close(release)
		synctest.Wait()
		if _, taken, err := ledger.Taken(w.ctx(), pending, id); !taken || err != nil { // the task is gone
			t.Errorf("taken %v, %v", taken, err)
		}
		id = ""
		expect("", false, nil) // a call from outside
	})
}

func TestPendingDeliveryOfARefusedCommitIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Hostile{})
		r := w.runner(task.RunnerOptions{})
		ledger := task.NewLedger(w.store.Space("task"))
		var once sync.Once
		var id string
		release := make(chan struct{})
		defer close(release)
		q := task.NewQueue(r, "test", func(_ context.Context, own string, _ int) error {
			once.Do(func() { id = own })
			<-release
			return nil
		}, task.Options{Once: true})
		w.run(r)
		w.update(func(tx *store.Tx) { q.Add(tx, 1, task.Add{}) })
		synctest.Wait()
		var pending task.Pending
		ledger.Record(&pending, &batch{Writes: store.NewWrites(w.space, scope)}, id, "") // never committed
		time.Sleep(time.Minute)
		if _, taken, err := ledger.Taken(w.ctx(), pending, id); taken || err != nil {
			t.Errorf("taken %v, %v", taken, err)
		}
	})
}

func FuzzDeliveryID(f *testing.F) {
	for _, s := range []string{"", "x", ".", ".1", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.1", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.01", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"} {
		f.Add(s)
	}
	e := memory.New(memory.Options{})
	defer e.Close()
	s := &store.Store{Engine: e, Clock: now{}}
	ledger := task.NewLedger(s.Space("task"))
	f.Fuzz(func(t *testing.T, id string) {
		_, taken, err := ledger.Taken(t.Context(), nil, id)
		if err != nil || taken == (id == "") {
			t.Errorf("taken %v, %v: a delivery whose task is not there has been taken", taken, err)
		}
	})
}

type now struct{}

func (now) Now() time.Time { return time.Unix(1e9, 0) }
