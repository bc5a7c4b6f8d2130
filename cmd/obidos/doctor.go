package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
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
	cfg.settings(c.Flags())
	return c
}

func diagnose(ctx context.Context, cfg *config) []finding {
	all := []finding{
		{subject: "system", found: fmt.Sprintf("%s/%s, %d CPUs, kernel %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), kernel())},
		checkAddress(ctx, cfg),
	}
	if !cfg.memory {
		all = append(all, checkData(cfg.data)...)
	}
	if path, err := exec.LookPath("aws"); err == nil {
		all = append(all, finding{subject: "AWS CLI", found: path})
	} else {
		all = append(all, finding{subject: "AWS CLI", found: "not installed (only needed to type AWS commands yourself)"})
	}
	return all
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return string(text[:max(0, len(text)-1)])
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
	r := running{*cfg}
	var h health
	if r.ask(ctx, http.MethodGet, "/_obidos/health", nil, &h) == nil && h.PID != 0 {
		f.found = fmt.Sprintf("%s: obidos %s is running there (process %d)", cfg.listen, h.Version, h.PID)
		return f
	}
	f.found, f.bad = cfg.listen, explainListen(cfg.listen, err).Error()
	return f
}

// checkData looks at the directory that keeps the state, or where it would be made: may we write, is there room, and how
// long does the disk take to keep a promise.
func checkData(dir string) []finding {
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
