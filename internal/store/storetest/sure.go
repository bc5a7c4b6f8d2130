package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/store"
)

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

// Sure holds [store.Update] over an engine whose commits get lost to what it promises: that it says for sure what became of
// each. So each of what many add to a number is in it, once, and an error is one of fn or of nothing having happened.
func Sure(t *testing.T, e store.Engine) {
	t.Helper()
	const callers, each = 6, 30
	s := (&store.Store{Engine: e, Clock: wallClock{}}).Space("sure")
	sums, logs := store.NewTable[uint64](s, 1, "sum", store.Global), store.NewTable[uint64](s, 2, "log", store.Global)
	var (
		all      sync.WaitGroup
		mu       sync.Mutex
		added    uint64
		errOwn   = errors.New("fn's own")
		refusals int
	)
	for c := range callers {
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d/%d", c, i)
				sum, err := store.Update(t.Context(), s, func(tx *store.Tx) (uint64, error) {
					n, _ := sums.Get(tx, "sum")
					if logs.Has(tx, id) {
						return 0, errors.New("done before")
					}
					logs.Set(tx, n+1, id)
					sums.Set(tx, n+1, "sum")
					if i%7 == 6 {
						return 0, errOwn
					}
					return n + 1, nil
				})
				mu.Lock()
				switch {
				case i%7 == 6 && errors.Is(err, errOwn):
					refusals++
				case err != nil || sum == 0:
					t.Errorf("update %s answered %d, %v", id, sum, err)
				default:
					added++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	sum, err := store.View(t.Context(), s, func(tx *store.Tx) (uint64, error) {
		n, _ := sums.Get(tx, "sum")
		return n, nil
	})
	if err != nil || sum != added || refusals != callers*(each/7) {
		t.Errorf("the sum is %d, %v; %d were added, %d refused", sum, err, added, refusals)
	}
}
