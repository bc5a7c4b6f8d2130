package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/obidos-cloud/obidos/internal/datadir"
)

// finding is one line of the doctor's: what was looked at, what was found, and what to do where that is bad.
type finding struct {
	subject, found string
	bad            string
}

func doctorCommand() *cobra.Command {
	var cfg config
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine offers obidos, and what is in its way",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := cfg.resolve(); err != nil {
				return err
			}
			bad := false
			for _, f := range diagnose(c.Context(), &cfg) {
				mark := "ok  "
				if f.bad != "" {
					mark, bad = "BAD ", true
				}
				fmt.Fprintf(c.OutOrStdout(), "%s %-14s %s\n", mark, f.subject, f.found)
				if f.bad != "" {
					fmt.Fprintf(c.OutOrStdout(), "     %-14s → %s\n", "", f.bad)
				}
			}
			if bad {
				return &exitError{1}
			}
			return nil
		},
	}
	cfg.settings(c)
	return c
}

func diagnose(ctx context.Context, cfg *config) []finding {
	system := finding{subject: "system", found: fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()), bad: oldKernel()}
	if k := kernel(); k != "" {
		system.found += ", kernel " + k
	}
	all := []finding{system, checkAddress(ctx, cfg)}
	if !cfg.memory {
		all = append(all, checkData(ctx, cfg)...)
	}
	if n, ok := fileLimit(); ok {
		f := finding{subject: "open files", found: fmt.Sprintf("%d at once", n)}
		if n < 1024 {
			f.bad = "each client connection is one; raise the limit with ulimit -n 4096"
		}
		all = append(all, f)
	}
	if path, err := exec.LookPath("aws"); err == nil {
		all = append(all, finding{subject: "AWS CLI", found: path})
	} else {
		all = append(all, finding{subject: "AWS CLI", found: "not installed (only needed to type AWS commands yourself)"})
	}
	return all
}

// kernel is the version of Linux, empty elsewhere.
func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// oldestKernel is the oldest Linux that obidos is meant for: the oldest that distributions still keep up.
var oldestKernel = [2]int{4, 18}

// oldKernel says what to do about a kernel that is too old; empty where there is nothing to do.
func oldKernel() string {
	var v [2]int
	release := kernel()
	if n, _ := fmt.Sscanf(release, "%d.%d", &v[0], &v[1]); n < 2 || slices.Compare(v[:], oldestKernel[:]) >= 0 {
		return ""
	}
	return fmt.Sprintf("Linux %s is older than %d.%d, the oldest that obidos is tested on: update it, or run obidos where a newer one runs", release, oldestKernel[0], oldestKernel[1])
}

func checkAddress(ctx context.Context, cfg *config) finding {
	f := finding{subject: "address"}
	if err := guardAddress(cfg); err != nil {
		f.found, f.bad = cfg.listen, err.Error()
		return f
	}
	l, err := net.Listen("tcp", cfg.listen)
	if err == nil {
		l.Close()
		f.found = cfg.listen + " is free"
		return f
	}
	if h, ok := obidosAt(ctx, cfg.listen); ok {
		f.found = fmt.Sprintf("%s: obidos %s is running there (process %d, state in %s)", cfg.listen, h.Version, h.PID, h.Data)
		return f
	}
	f.found, f.bad = cfg.listen, explainListen(ctx, cfg.listen, err).Error()
	return f
}

// checkData looks at the directory that keeps the state, or where it would be made: may we write, is there room, and how
// long does the disk take to keep a promise.
func checkData(ctx context.Context, cfg *config) []finding {
	dir := cfg.data
	place := dir
	for {
		if _, err := os.Stat(place); err == nil || filepath.Dir(place) == place {
			break
		}
		place = filepath.Dir(place)
	}
	f := finding{subject: "data", found: dir}
	if place != dir {
		f.found += " (not made yet)"
	} else if d, err := datadir.Open(dir, datadir.Options{}); err == nil {
		if err := d.Close(); err != nil {
			f.bad = err.Error()
		}
	} else if locked, ok := errors.AsType[*datadir.LockedError](err); ok {
		r := running{config: *cfg}
		if h, e := r.health(ctx); e == nil && h.PID == locked.PID {
			f.found += fmt.Sprintf(" (used by the obidos that is running, process %d)", h.PID)
		} else {
			f.bad = err.Error()
		}
	} else {
		f.bad = err.Error()
	}
	if f.bad != "" {
		return []finding{f}
	}
	probe, err := os.CreateTemp(place, ".obidos-doctor-")
	if err != nil {
		f.bad = fmt.Sprintf("obidos cannot write there: %v; choose another place with --data", err)
		return []finding{f}
	}
	defer os.Remove(probe.Name())
	defer probe.Close()
	all := []finding{f}
	if free, err := datadir.Free(place); err == nil {
		room := finding{subject: "disk", found: fmt.Sprintf("%d MiB free", free>>20)}
		if free < 512<<20 {
			room.bad = "writes are refused below 512 MiB; make room or choose another disk with --data"
		}
		all = append(all, room)
	}
	syncs := make([]time.Duration, 0, 20)
	for range cap(syncs) {
		begin := time.Now()
		if _, err := probe.Write(make([]byte, 1024)); err != nil {
			break
		}
		if err := probe.Sync(); err != nil {
			break
		}
		syncs = append(syncs, time.Since(begin))
	}
	if len(syncs) > 0 {
		slices.Sort(syncs)
		typical := syncs[len(syncs)/2]
		s := finding{subject: "sync", found: fmt.Sprintf("%v for one sync of the disk; a single writer waits that long for each answer, many share one", typical.Round(10*time.Microsecond))}
		if typical > 50*time.Millisecond {
			s.bad = "that is slow; a faster disk (--data), --durability=relaxed or --memory helps where a crash may cost the last writes"
		}
		all = append(all, s)
	}
	return all
}
