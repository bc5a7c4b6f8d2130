package memory_test

import (
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/store/memory"
	"github.com/obidos-cloud/obidos/internal/store/storetest"
)

func open(h memory.Hostile) func(t *testing.T) storetest.Subject {
	return func(t *testing.T) storetest.Subject {
		e := memory.New(memory.Options{Hostile: h})
		t.Cleanup(func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		return storetest.Subject{Engine: e, Unknown: h.Unknown > 0}
	}
}

func TestFriendly(t *testing.T) { storetest.Run(t, open(memory.Hostile{})) }

func TestHostile(t *testing.T) { storetest.Run(t, open(memory.Hostile{Seed: 1})) }

func TestHostileWithDelaysAndUnknownOutcomes(t *testing.T) {
	storetest.Run(t, open(memory.Hostile{Seed: 2, Unknown: 0.1, Delay: 20 * time.Microsecond}))
}
