package pebble_test

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
	"github.com/obidos-cloud/obidos/internal/store/storetest"
)

// subject is an engine on a file system that forgets, when the power is cut, some of what was not synced.
func subject(t *testing.T) storetest.Subject {
	fs := vfs.NewCrashableMem()
	rng := rand.New(rand.NewPCG(rand.Uint64(), 0))
	open := func() store.Engine {
		e, err := pebble.Open("data", pebble.Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e
	}
	e := open()
	return storetest.Subject{
		Engine: e,
		Reopen: func() store.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = open()
			return e
		},
		Crash: func() store.Engine {
			fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			e = open()
			return e
		},
	}
}

func TestSuite(t *testing.T) { storetest.Run(t, subject) }
