// Command bench measures obidos as its users would feel it: 64 connections, requests made by hand, and the CPU time the
// server's processes spend on each, beside a bare net/http echo of the same bytes and, where it can be installed, ElasticMQ.
//
//	go run ./cmd/bench -obidos bin/obidos [-seconds 4] [-rounds 3] [-peer=false] [-only start|million|logs]
//
// The server and the generator share the machine, so throughput is bounded by the generator's own work; CPU per operation
// is the figure that can be compared from machine to machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

type settings struct {
	obidos      string
	dir         string
	connections int
	seconds     float64
	rounds      int
	body        int
	syncDelay   string
	peer        bool
	only        string
	messages    int
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "echo" {
		if err := echo(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "bench echo:", err)
			os.Exit(1)
		}
		return
	}
	var s settings
	flag.StringVar(&s.obidos, "obidos", "bin/obidos", "the binary to measure")
	flag.StringVar(&s.dir, "dir", "", "where the data directories go; a folder in memory (/dev/shm) where there is one")
	flag.IntVar(&s.connections, "connections", 64, "connections at once")
	flag.Float64Var(&s.seconds, "seconds", 4, "how long each measurement takes")
	flag.IntVar(&s.rounds, "rounds", 3, "rounds; the best of each figure counts")
	flag.IntVar(&s.body, "body", 1024, "bytes of a message")
	flag.StringVar(&s.syncDelay, "sync-delay", "1ms", "added to each sync of the disk")
	flag.BoolVar(&s.peer, "peer", true, "measure ElasticMQ too (installed from Maven Central; needs java and mvn)")
	flag.StringVar(&s.only, "only", "", "start: only how soon it is ready, and how small; million: one queue with a great backlog; logs: only putting log events")
	flag.IntVar(&s.messages, "messages", 1_000_000, "of that backlog")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// figure is what one workload reached on one server.
type figure struct {
	perSecond float64
	cpu       time.Duration // of the server's process tree, per operation
	p50, p99  time.Duration
}

type row struct {
	server, workload string
	figure
}

func run(ctx context.Context, s settings) error {
	if s.dir == "" {
		s.dir = os.TempDir()
		if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
			s.dir = "/dev/shm"
		}
	}
	dir, err := os.MkdirTemp(s.dir, "obidos-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if s.only == "million" {
		return million(ctx, s, dir)
	}
	bare := server{name: "bare net/http echo", logs: true, command: func(port int) []string { return []string{self, "echo", address(port)} }}
	if s.only != "logs" {
		if err := startUp(ctx, s, dir, bare); err != nil || s.only == "start" {
			return err
		}
	}
	fmt.Printf("%d connections, %d-byte messages, %v s × %d rounds, %d CPUs, data in %s, %s added to each sync\n\n",
		s.connections, s.body, s.seconds, s.rounds, runtime.NumCPU(), s.dir, s.syncDelay)

	servers := []server{
		bare,
		{name: "obidos, durable", logs: true, command: func(port int) []string {
			return []string{s.obidos, "start", "--listen", address(port), "--data", filepath.Join(dir, fmt.Sprint(port)), "--sync-delay", s.syncDelay}
		}},
		{name: "obidos, --memory", logs: true, command: func(port int) []string {
			return []string{s.obidos, "start", "--listen", address(port), "--memory"}
		}},
	}
	if s.peer && s.only != "logs" {
		peer, err := elasticMQ(ctx)
		if err != nil {
			fmt.Println("without ElasticMQ:", err)
		} else {
			servers = append(servers, peer)
		}
	}
	var rows []row
	for _, srv := range servers {
		got, err := measure(ctx, s, srv)
		if err != nil {
			return fmt.Errorf("%s: %w", srv.name, err)
		}
		rows = append(rows, got...)
		for _, r := range got {
			fmt.Printf("%-22s %-20s %9.0f/s  %7.1f µs CPU  p50 %-9v p99 %v\n", r.server, r.workload, r.perSecond,
				float64(r.cpu.Nanoseconds())/1e3, r.p50.Round(10*time.Microsecond), r.p99.Round(10*time.Microsecond))
		}
	}
	compare(rows)
	return nil
}

// measure starts srv and runs each workload on it, best of the rounds.
func measure(ctx context.Context, s settings, srv server) ([]row, error) {
	p, err := srv.start(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	body := strings.Repeat("x", s.body)
	var rows []row
	for _, w := range workloads {
		if !srv.logs && w.name == puts.name || s.only == "logs" && w.name != puts.name {
			continue
		}
		best := row{server: srv.name, workload: w.name}
		run := func(seconds float64) (figure, error) {
			return load(ctx, p, w, body, s.connections, time.Duration(seconds*float64(time.Second)))
		}
		warm := 1.0
		if srv.warm > 0 {
			warm = srv.warm
		}
		if _, err := run(warm); err != nil {
			return nil, err
		}
		for range s.rounds {
			f, err := run(s.seconds)
			if err != nil {
				return nil, err
			}
			if best.cpu == 0 || f.cpu < best.cpu {
				best.figure = figure{max(f.perSecond, best.perSecond), f.cpu, f.p50, f.p99}
			}
			best.perSecond = max(best.perSecond, f.perSecond)
		}
		rows = append(rows, best)
	}
	return rows, nil
}

// compare prints the ratios that the project holds itself to.
func compare(rows []row) {
	find := func(server, workload string) (figure, bool) {
		i := slices.IndexFunc(rows, func(r row) bool { return strings.HasPrefix(r.server, server) && r.workload == workload })
		if i < 0 {
			return figure{}, false
		}
		return rows[i].figure, true
	}
	fmt.Println()
	for _, w := range workloads {
		ours, ok := find("obidos, durable", w.name)
		if !ok {
			continue
		}
		if bare, ok := find("bare", w.name); ok {
			fmt.Printf("%-20s server CPU %.2f × the echo's, throughput %.2f × its\n", w.name,
				float64(ours.cpu)/float64(bare.cpu), ours.perSecond/bare.perSecond)
		}
		if peer, ok := find("ElasticMQ", w.name); ok {
			fmt.Printf("%-20s server CPU 1/%.1f of ElasticMQ's, throughput %.2f × its\n", w.name,
				float64(peer.cpu)/float64(ours.cpu), ours.perSecond/peer.perSecond)
		}
	}
}
