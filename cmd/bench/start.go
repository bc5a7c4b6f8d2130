package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// startUp measures how soon obidos answers after it was started, beside the bare echo in turn with it, in empty directories
// and in one that is there already; then the memory it holds when nobody asks anything, and the binary's size.
func startUp(ctx context.Context, s settings, dir string, echo server) error {
	const rounds = 15
	fresh := 0
	kinds := []server{
		echo,
		{name: "obidos, new directory", command: func(port int) []string {
			fresh++
			return []string{s.obidos, "start", "--listen", address(port), "--data", filepath.Join(dir, "start-"+strconv.Itoa(fresh))}
		}},
		{name: "obidos, again", command: func(port int) []string {
			return []string{s.obidos, "start", "--listen", address(port), "--data", filepath.Join(dir, "start-1")}
		}},
		{name: "obidos, --memory", command: func(port int) []string {
			return []string{s.obidos, "start", "--listen", address(port), "--memory"}
		}},
	}
	took, resident := make([][]time.Duration, len(kinds)), make([]int64, len(kinds))
	for range rounds {
		for i, k := range kinds {
			p, err := k.start(ctx)
			if err != nil {
				return err
			}
			took[i] = append(took[i], p.ready)
			if len(took[i]) == rounds {
				time.Sleep(2 * time.Second) // until what a start leaves behind has been collected
				resident[i] = p.resident()
			}
			p.stop()
		}
	}
	for i := range kinds {
		slices.Sort(took[i])
	}
	bare := took[0][rounds/2]
	for i, k := range kinds {
		median := took[i][rounds/2]
		fmt.Printf("%-22s ready after %-9v (%+.1f ms)  idle in %.1f MiB\n", k.name, median.Round(100*time.Microsecond),
			float64((median-bare).Microseconds())/1000, float64(resident[i])/(1<<20))
	}
	info, err := os.Stat(s.obidos)
	if err != nil {
		return err
	}
	fmt.Printf("%-22s %.1f MiB\n\n", "the binary", float64(info.Size())/(1<<20))
	return nil
}

// answers reports whether a server answers HTTP at an address.
func answers(address string) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: time.Second}).Get("http://" + address + "/_obidos/health")
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode >= 500 {
		return errors.New(resp.Status)
	}
	return nil
}

// resident is how much memory the process holds.
func (p *process) resident() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kilobytes, _ := strconv.ParseInt(fields[0], 10, 64)
	return kilobytes << 10
}
