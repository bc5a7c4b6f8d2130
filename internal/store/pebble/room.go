package pebble

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/obidos-cloud/obidos/internal/store"
)

// RoomOptions say when the disk counts as full.
type RoomOptions struct {
	Free    int64 // below so many free bytes writes are refused; 0: 512 MiB
	Percent int64 // and below so many hundredths of the disk, but for at most mostKept; 0: 2; negative: no such bound
	Ballast int64 // bytes held back so that a disk others have filled can still be compacted; 0: 64 MiB; negative: none
}

// room watches the free space of the disk the store is on.
//
// Three lines of defence: below a bound writes are refused and deletes go on, and with them what little has to be written to
// get at what can be deleted; so the space left is for the log of that and for compactions, which give room back. Where something else fills the disk all the same, the ballast is given up.
// And where that is gone too, the write that found no room waits inside the file system until there is some, because
// pebble does not survive a log that cannot be written: then every transaction is refused, and whoever waits for a commit
// is told that its outcome is unknown.
//
// Any other fault of the disk is final: see disk.go.
type room struct {
	fs      vfs.FS
	dir     string
	ballast string
	o       RoomOptions
	onStall func()

	unseen  atomic.Int64 // bytes written since the disk was looked at
	seen    atomic.Int64 // when that was, since start
	start   time.Time
	short   atomic.Bool // below the bound
	free    atomic.Int64
	need    atomic.Int64
	stalled atomic.Bool
	stalls  atomic.Int64

	closing  chan struct{}
	giveUpDo sync.Once

	mu   sync.Mutex // one look at a time; guards the ballast
	held bool       // the ballast is there
}

// mostKept is how much is kept free of a large disk. What compactions and the logs of deletes need does not grow with it,
// and a machine whose disk of a terabyte has 15 GiB left is not full.
const mostKept = 1 << 30

const (
	lookEvery = 250 * time.Millisecond // while something is written
	lookBytes = 8 << 20
	lookShort = 20 * time.Millisecond // while writes are refused
	retryFull = 20 * time.Millisecond // while a write waits for room
)

func newRoom(fs vfs.FS, dir string, o RoomOptions, onStall func()) *room {
	if o.Free == 0 {
		o.Free = 512 << 20
	}
	if o.Percent == 0 {
		o.Percent = 2
	}
	if o.Ballast == 0 {
		o.Ballast = 64 << 20
	}
	r := &room{
		fs: fs, dir: dir, ballast: fs.PathJoin(dir, "ballast"), o: o, onStall: onStall,
		start: time.Now(), closing: make(chan struct{}),
	}
	if _, err := fs.Stat(r.ballast); err == nil {
		r.held = true
	}
	return r
}

// toOpen is nil, or why there is too little room to open the store: what its logs hold is written to tables then, and
// pebble tries that for ever. The ballast is given up for it.
func (r *room) toOpen() error {
	need := int64(1 << 20)
	names, _ := r.fs.List(r.dir) // what cannot be listed cannot be opened either, and Open says why
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			if info, err := r.fs.Stat(r.fs.PathJoin(r.dir, name)); err == nil {
				need += info.Size()
			}
		}
	}
	for {
		u, err := r.fs.GetDiskUsage(r.dir)
		if err != nil || int64(u.AvailBytes) >= need {
			return nil
		}
		if !r.release() {
			r.free.Store(int64(u.AvailBytes))
			r.need.Store(need)
			return r.full()
		}
	}
}

// wrote notes that n bytes are on their way.
func (r *room) wrote(n int64) { r.unseen.Add(n) }

// refresh looks at the disk again if that was long ago or much was written since.
func (r *room) refresh() {
	if r.unseen.Load() >= lookBytes || time.Since(r.start)-time.Duration(r.seen.Load()) >= lookEvery {
		r.look()
	}
}

// refuse is nil, or why nothing may be written. A quarter of the room kept free is for what frees some.
func (r *room) refuse(frees bool) error {
	if !r.short.Load() {
		return nil
	}
	if time.Since(r.start)-time.Duration(r.seen.Load()) >= lookShort {
		if r.look(); !r.short.Load() {
			return nil
		}
	}
	if frees && r.free.Load() >= r.need.Load()/4 {
		return nil
	}
	return r.full()
}

func (r *room) full() error {
	dir := r.dir
	if abs, err := filepath.Abs(dir); err == nil && r.fs == vfs.Default {
		dir = abs
	}
	return &store.DiskFullError{Path: dir, Free: r.free.Load(), Need: r.need.Load()}
}

// look asks the file system how much room there is. File systems that do not know count as large.
func (r *room) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.Store(int64(time.Since(r.start)))
	r.unseen.Store(0)
	u, err := r.fs.GetDiskUsage(r.dir)
	if err != nil {
		return
	}
	need := r.o.Free
	if r.o.Percent > 0 {
		need = max(need, min(int64(u.TotalBytes/100)*r.o.Percent, mostKept))
	}
	free := int64(u.AvailBytes)
	r.free.Store(free)
	r.need.Store(need)
	r.short.Store(free < need)
	if !r.held && r.o.Ballast > 0 && free >= need+2*r.o.Ballast {
		r.held = r.hold()
	}
}

// hold reserves the ballast where the file system can do so without writing it. mu is held.
func (r *room) hold() bool {
	f, err := r.fs.Create(r.ballast, vfs.WriteCategoryUnspecified)
	if err != nil {
		return false
	}
	err = f.Preallocate(0, r.o.Ballast)
	return errors.Join(err, f.Close()) == nil
}

// release gives the ballast up, if it is there.
func (r *room) release() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.held {
		return false
	}
	r.held = false
	r.short.Store(true)
	return r.fs.Remove(r.ballast) == nil
}

// giveUp ends all waiting for room: the store is closing.
func (r *room) giveUp() { r.giveUpDo.Do(func() { close(r.closing) }) }

// retry performs act until it finds room. It returns another error at once, and the lack of room where the store closes.
func (r *room) retry(act func() error) error {
	err := act()
	if !noRoom(err) {
		return err
	}
	if r.release() {
		if err = act(); !noRoom(err) {
			return err
		}
	}
	r.look()
	r.stalls.Add(1)
	r.stalled.Store(true)
	r.onStall()
	defer func() {
		if r.stalls.Add(-1) == 0 {
			r.stalled.Store(false)
		}
		r.look()
	}()
	tick := time.NewTicker(retryFull)
	defer tick.Stop()
	for {
		select {
		case <-r.closing:
			return err
		case <-tick.C:
		}
		if err = act(); !noRoom(err) {
			return err
		}
	}
}

func noRoom(err error) bool {
	return err != nil && (vfs.IsNoSpaceError(err) || errors.Is(err, syscall.EDQUOT))
}
