package pebble_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

// A disk that fails under the log ends writing: nothing acknowledged is lost, reads go on, the process lives.
func TestFailingDiskEndsWritingOnly(t *testing.T) {
	for name, fails := range map[string]func(op errorfs.Op) bool{
		"sync of the log":  func(op errorfs.Op) bool { return isLog(op) && isSync(op) },
		"write of the log": func(op errorfs.Op) bool { return isLog(op) && op.Kind == errorfs.OpFileWrite },
		"a new log": func(op errorfs.Op) bool {
			return isLog(op) && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite)
		},
		"the manifest": func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileWrite && matches(op, "MANIFEST-*")
		},
		"everything": func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite },
	} {
		t.Run(name, func(t *testing.T) { failingDisk(t, fails) })
	}
}

func matches(op errorfs.Op, pattern string) bool {
	ok, _ := filepath.Match(pattern, filepath.Base(op.Path))
	return ok
}

func isLog(op errorfs.Op) bool { return matches(op, "*.log") }

// freshLogs makes new files where others are reused: errorfs leaves those alone.
type freshLogs struct{ vfs.FS }

func (f freshLogs) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.Remove(from); err != nil {
		return nil, err
	}
	return f.Create(to, c)
}

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

func failingDisk(t *testing.T, fails func(op errorfs.Op) bool) {
	mem := vfs.NewMem()
	var broken atomic.Bool
	fs := freshLogs{errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && fails(op) {
			return syscall.EIO
		}
		return nil
	}))}
	e, err := pebble.Open("store", pebble.Options{FS: fs, MemTable: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu      sync.Mutex
		acked   []string
		unknown atomic.Int64
	)
	returned := make(chan struct{}, 8)
	for w := range 8 {
		go func() {
			defer func() { returned <- struct{}{} }()
			value := string(make([]byte, 4<<10))
			for n := range 100_000 {
				key := fmt.Sprintf("%d/%06d", w, n)
				err := put(t.Context(), e, store.UpdateOptions{}, key, value)
				if errors.Is(err, store.ErrUnknown) {
					unknown.Add(1)
				}
				if err != nil {
					return
				}
				mu.Lock()
				if acked = append(acked, key); len(acked) == 200 {
					broken.Store(true)
				}
				mu.Unlock()
			}
		}()
	}
	finish(t, "the writers", func() {
		for range 7 { // one may be inside pebble, which waits for a flush that never comes
			<-returned
		}
	})
	select {
	case <-e.Failed():
	default:
		t.Fatal("writers stopped, and the engine says nothing")
	}
	if err := e.Err(); !errors.Is(err, syscall.EIO) && unknown.Load() == 0 {
		t.Errorf("it says %v", err)
	}
	if err := put(t.Context(), e, store.UpdateOptions{}, "late", ""); err == nil || errors.Is(err, store.ErrUnknown) {
		t.Errorf("written afterwards: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	has := func(e *pebble.Engine, when string) {
		err := e.View(t.Context(), func(r store.Reader) error {
			for _, k := range acked {
				if v, err := r.Get([]byte(k)); v == nil || err != nil {
					return fmt.Errorf("%s was acknowledged: %v", k, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	has(e, "read after the failure")
	finish(t, "Close", func() {
		if e.Close() == nil {
			t.Error("Close is content")
		}
	})
	next := vfs.NewMem() // as the next process finds it, which the locks of this one do not bind
	if _, err := vfs.Clone(mem, next, "store", "store"); err != nil {
		t.Fatal(err)
	}
	has(open(t, pebble.Options{FS: next}), "opened again")
}

func finish(t *testing.T, what string, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		stacks := make([]byte, 1<<20)
		t.Fatalf("%s: it hangs:\n%s", what, stacks[:runtime.Stack(stacks, true)])
	}
}
