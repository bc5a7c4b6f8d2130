package pebble_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/pebble"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("PEBBLE_WRITE"); dir != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled is the other process of TestKillLosesNothing: it says on standard output what was acknowledged, writer and
// transaction, in sixteen bytes.
func writeUntilKilled(dir string) error {
	e, err := pebble.Open(dir, pebble.Options{MemTable: 256 << 10})
	if err != nil {
		return err
	}
	var last [crashWriters]uint64
	if err := e.View(context.Background(), func(r store.Reader) (err error) { last, err = progress(r); return err }); err != nil {
		return err
	}
	ended := make(chan error, crashWriters)
	for w := range crashWriters {
		go func() {
			rng := rand.New(rand.NewPCG(uint64(w), last[w]))
			for n := last[w] + 1; ; n++ {
				err := e.Update(context.Background(), store.UpdateOptions{}, crashStep(w, n, rng))
				if err == nil {
					_, err = os.Stdout.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(w)), n))
				}
				if err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	return <-ended
}

// A process killed under load has lost nothing it acknowledged.
func TestKillLosesNothing(t *testing.T) {
	dir := t.TempDir()
	var acked [crashWriters]uint64
	total := 0
	for range max(1, crashes(40)/10) {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "PEBBLE_WRITE="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		enough := 1 + rand.IntN(1500)
		for said := 0; ; said++ {
			var ack [16]byte
			if _, err := io.ReadFull(out, ack[:]); err != nil {
				break
			}
			total++
			acked[binary.BigEndian.Uint64(ack[:8])] = binary.BigEndian.Uint64(ack[8:])
			if said == enough {
				child.Process.Kill()
			}
		}
		child.Wait()

		e, err := pebble.Open(dir, pebble.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = e.View(t.Context(), func(r store.Reader) error {
			found, err := progress(r)
			for w := range found {
				if found[w] < acked[w] {
					t.Errorf("writer %d: acknowledged up to %d, found %d", w, acked[w], found[w])
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d acknowledged transactions survived", total)
}
