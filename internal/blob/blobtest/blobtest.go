// Package blobtest holds stores of blobs to the contract of blob.Store: one suite that all of them pass.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/blob"
)

// Run runs the suite, each test on an empty store of its own. reopen, where not nil, opens the store again as the next process
// would.
func Run(t *testing.T, open func(t *testing.T) (s blob.Store, reopen func() blob.Store)) {
	for name, test := range map[string]func(t *testing.T, s blob.Store, reopen func() blob.Store){
		"NothingIsThere":            nothingIsThere,
		"UnfinishedIsNotThere":      unfinishedIsNotThere,
		"ComesBackWhole":            comesBackWhole,
		"EmptyBlob":                 emptyBlob,
		"AbortLeavesNothing":        abortLeavesNothing,
		"PendingUntilKept":          pendingUntilKept,
		"YoungIsNotPendingForLong":  youngIsNotPendingForLong,
		"ReadByManyAtOnce":          readByManyAtOnce,
		"FreedIsGone":               freedIsGone,
		"OpenOutlivesFree":          openOutlivesFree,
		"WriterIsOverAfterFinish":   writerIsOver,
		"ManyAtOnce":                manyAtOnce,
		"EndedContextBeginsNothing": endedContext,
	} {
		t.Run(name, func(t *testing.T) {
			s, reopen := open(t)
			test(t, s, reopen)
		})
	}
}

// Write makes a finished blob.
func Write(t testing.TB, s blob.Store, content []byte) blob.ID {
	t.Helper()
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 100_000)
		if m, err := w.Write(rest[:n]); m != n || err != nil {
			t.Fatalf("write %d of %d: %v", m, n, err)
		}
		rest = rest[n:]
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	return w.ID()
}

// Read is a blob's content.
func Read(t testing.TB, s blob.Store, id blob.ID) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), id)
	if err != nil {
		t.Fatalf("open %s: %v", id, err)
	}
	defer r.Close()
	content, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b) // never fails
	return b
}

func isNotThere(t *testing.T, s blob.Store, id blob.ID, when string) {
	t.Helper()
	if r, err := s.Open(t.Context(), id); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("%s: opened with %v", when, err)
		if err == nil {
			r.Close()
		}
	}
}

func pending(t *testing.T, s blob.Store, when string, want ...blob.ID) {
	t.Helper()
	got, err := s.Pending(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	order := func(a, b blob.ID) int { return bytes.Compare(a[:], b[:]) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !slices.Equal(got, want) {
		t.Errorf("%s: pending are %v, want %v", when, got, want)
	}
}

func nothingIsThere(t *testing.T, s blob.Store, _ func() blob.Store) {
	isNotThere(t, s, blob.NewID(), "an empty store")
	pending(t, s, "an empty store")
	if err := s.Free(t.Context(), blob.NewID()); err != nil {
		t.Errorf("free what is not there: %v", err)
	}
	if err := s.Keep(t.Context(), blob.NewID()); err != nil {
		t.Errorf("keep what is not there: %v", err)
	}
}

func unfinishedIsNotThere(t *testing.T, s blob.Store, reopen func() blob.Store) {
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	isNotThere(t, s, w.ID(), "unfinished")
	if reopen != nil {
		s = reopen()
		isNotThere(t, s, w.ID(), "unfinished, after a start")
		for _, id := range must(s.Pending(t.Context(), 0)) {
			if err := s.Free(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		pending(t, s, "all freed")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func comesBackWhole(t *testing.T, s blob.Store, reopen func() blob.Store) {
	content := noise(3<<20 + 17)
	given := bytes.Clone(content)
	id := Write(t, s, given)
	if !bytes.Equal(given, content) {
		t.Error("writing changed what was given")
	}
	if err := s.Keep(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := Read(t, s, id); !bytes.Equal(got, content) {
			t.Fatalf("%d bytes come back as %d others", len(content), len(got))
		}
		r, err := s.Open(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		part := make([]byte, 1000)
		if n, err := r.ReadAt(part, 1<<20-1); n != len(part) || err != nil || !bytes.Equal(part, content[1<<20-1:][:1000]) {
			t.Errorf("a range from the middle: %d, %v", n, err)
		}
		if n, err := r.ReadAt(part, int64(len(content))-10); n != 10 || !errors.Is(err, io.EOF) {
			t.Errorf("a range over the end: %d, %v", n, err)
		}
		if n, err := r.ReadAt(part, int64(len(content))+10); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("a range behind the end: %d, %v", n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if reopen == nil {
			return
		}
		s = reopen()
	}
}

func emptyBlob(t *testing.T, s blob.Store, _ func() blob.Store) {
	if got := Read(t, s, Write(t, s, nil)); len(got) != 0 {
		t.Errorf("nothing comes back as %d bytes", len(got))
	}
}

func abortLeavesNothing(t *testing.T, s blob.Store, _ func() blob.Store) {
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(noise(100_000)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	w.Abort()
	isNotThere(t, s, w.ID(), "aborted")
	pending(t, s, "aborted")
	if err := w.Finish(); err == nil {
		t.Error("finished after it was aborted")
	}
}

func pendingUntilKept(t *testing.T, s blob.Store, reopen func() blob.Store) {
	a, b := Write(t, s, []byte("a")), Write(t, s, []byte("b"))
	pending(t, s, "finished", a, b)
	if err := s.Keep(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	pending(t, s, "one kept", b)
	if reopen != nil {
		s = reopen()
		pending(t, s, "one kept, after a start", b)
	}
	if got := Read(t, s, a); string(got) != "a" {
		t.Errorf("what was kept is %q", got)
	}
	if err := s.Keep(t.Context(), a, b); err != nil {
		t.Errorf("kept again: %v", err)
	}
	pending(t, s, "both kept")
}

func youngIsNotPendingForLong(t *testing.T, s blob.Store, _ func() blob.Store) {
	id := Write(t, s, []byte("young"))
	for age, want := range map[time.Duration]int{time.Hour: 0, time.Nanosecond: 1} {
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) { // a clock may tick in seconds
			got, err := s.Pending(t.Context(), age)
			if err == nil && len(got) == want && (want == 0 || got[0] == id) {
				break
			}
			if err != nil || time.Now().After(end) {
				t.Fatalf("pending for %v are %v, %v; want %d", age, got, err, want)
			}
		}
	}
}

func readByManyAtOnce(t *testing.T, s blob.Store, _ func() blob.Store) {
	content := noise(300_000)
	r, err := s.Open(t.Context(), Write(t, s, content))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			part := make([]byte, 10_000+i)
			for at := i * 1000; at+len(part) <= len(content); at += len(part) * (1 + i%2) { // in order, and not
				if n, err := r.ReadAt(part, int64(at)); n != len(part) || err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(part, content[at:at+n]) {
					t.Errorf("read %d bytes at %d: %v", n, at, err)
				}
			}
		})
	}
	wg.Wait()
}

func freedIsGone(t *testing.T, s blob.Store, reopen func() blob.Store) {
	kept, left, stays := Write(t, s, []byte("kept")), Write(t, s, []byte("left")), Write(t, s, []byte("stays"))
	if err := s.Keep(t.Context(), kept, stays); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Free(t.Context(), kept, left); err != nil {
			t.Fatal(err)
		}
		isNotThere(t, s, kept, "kept, then freed")
		isNotThere(t, s, left, "never kept, then freed")
		pending(t, s, "freed")
		if got := Read(t, s, stays); string(got) != "stays" {
			t.Errorf("another blob is %q", got)
		}
		if reopen != nil {
			s = reopen()
		}
	}
}

func openOutlivesFree(t *testing.T, s blob.Store, _ func() blob.Store) {
	id := Write(t, s, []byte("still here"))
	r, err := s.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := s.Free(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, r.Size())
	if _, err := r.ReadAt(got, 0); err != nil && !errors.Is(err, io.EOF) || string(got) != "still here" {
		t.Errorf("freed while open: %q, %v", got, err)
	}
}

func writerIsOver(t *testing.T, s blob.Store, _ func() blob.Store) {
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("more")); err == nil {
		t.Error("written after it was finished")
	}
	w.Abort()
	if got := Read(t, s, w.ID()); len(got) != 0 {
		t.Errorf("finished, then aborted: %d bytes", len(got))
	}
}

func manyAtOnce(t *testing.T, s blob.Store, _ func() blob.Store) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				content := noise(1000*i + j)
				id := Write(t, s, content)
				if !bytes.Equal(Read(t, s, id), content) {
					t.Errorf("blob %d of %d is not what was written", j, i)
				}
				if j%2 == 0 {
					if err := s.Free(t.Context(), id); err != nil {
						t.Error(err)
					}
				} else if err := s.Keep(t.Context(), id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	pending(t, s, "all kept or freed")
}

func endedContext(t *testing.T, s blob.Store, _ func() blob.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w, err := s.Create(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("created with %v", err)
		if err == nil {
			w.Abort()
		}
	}
	pending(t, s, "nothing begun")
}
