// Package pgtest runs PostgreSQL servers for tests: real ones, with what they sync synced, each in a folder of its own that is
// gone afterwards, also where the test is killed. Where the machine has no PostgreSQL it skips the test and says so.
//
//	server := pgtest.Start(t)
//	engine, err := postgres.Open(ctx, server.URL(), postgres.Options{})
//
// A server listens on a Unix socket only, so it needs no port.
package pgtest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Option changes how a server is run.
type Option func(*Server)

// In puts the server's data under dir, such as /dev/shm.
func In(dir string) Option { return func(s *Server) { s.parent = dir } }

// Set sets one of the server's settings.
func Set(name, value string) Option {
	return func(s *Server) { s.settings = append(s.settings, name+"="+value) }
}

// SlowSync adds so much to each sync of the log, for a disk that is the same on every machine.
func SlowSync(d time.Duration) Option {
	return func(s *Server) {
		Set("commit_delay", fmt.Sprint(d.Microseconds()))(s)
		Set("commit_siblings", "0")(s)
	}
}

// Server is a PostgreSQL server. Its methods are for one goroutine.
type Server struct {
	t        testing.TB
	parent   string
	folder   string // everything of it
	settings []string
	bin      string
	process  *process // nil while it is down
}

// Start starts a server that ends with the test.
func Start(t testing.TB, o ...Option) *Server {
	t.Helper()
	s := newServer(t, o)
	s.run("initdb", "-D", s.data(), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C")
	s.Restart()
	return s
}

func newServer(t testing.TB, o []Option) *Server {
	t.Helper()
	s := &Server{t: t, parent: "/tmp", bin: programs(t)} // not t.TempDir: a socket's path must be short, and readable for others
	for _, f := range o {
		f(s)
	}
	folder, err := os.MkdirTemp(s.parent, "obidos-pg-")
	if err != nil {
		t.Fatal(err)
	}
	s.folder = folder
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			if log, err := os.ReadFile(s.log()); err == nil {
				lines := strings.Split(strings.TrimSpace(string(log)), "\n")
				t.Logf("PostgreSQL said last:\n%s", strings.Join(lines[max(0, len(lines)-20):], "\n"))
			}
		}
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if err := yield(folder); err != nil {
		t.Fatal(err)
	}
	return s
}

// programs is the folder of PostgreSQL's programs, the newest where there are several.
func programs(t testing.TB) string {
	t.Helper()
	if why := unsupported(); why != "" {
		t.Skip(why)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian
	more, _ := filepath.Glob("/usr/pgsql-*/bin/initdb")           // Red Hat
	found = append(found, more...)
	slices.SortFunc(found, func(a, b string) int { // by version: 9 before 15
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	if n := len(found); n > 0 {
		return filepath.Dir(found[n-1])
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			return filepath.Dir(p)
		}
	}
	t.Skip("this test needs PostgreSQL's server, and the machine has none: install Debian's package postgresql, or the like")
	return ""
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }
func (s *Server) log() string  { return filepath.Join(s.folder, "log") }

// URL is the server's database.
func (s *Server) URL() string { return URL(s) }

// URL is the database of servers that stand in for each other: connections are made to the one that takes writes.
func URL(servers ...*Server) string {
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, s.folder)
	}
	return "postgres:///postgres?user=postgres&target_session_attrs=read-write&host=" + url.QueryEscape(strings.Join(hosts, ","))
}

// Socket is the path of the server's socket: to put a proxy before it.
func (s *Server) Socket() string { return filepath.Join(s.folder, ".s.PGSQL.5432") }

// run runs one of PostgreSQL's programs to its end.
func (s *Server) run(program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.folder
	unprivileged(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// SQL runs a statement as the superuser and answers what it gives, without ornaments.
func (s *Server) SQL(statement string) string {
	s.t.Helper()
	out, err := s.psql(statement)
	if err != nil {
		s.t.Fatalf("%s: %v: %s", statement, err, out)
	}
	return out
}

func (s *Server) psql(statement string) (string, error) {
	cmd := exec.Command(filepath.Join(s.bin, "psql"), "-XAtq", "-h", s.folder, "-U", "postgres", "-d", "postgres", "-c", statement)
	cmd.Dir = s.folder
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Restart starts the server where it is down, or stops it first, in order, and returns once it can be used.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	deadline := time.Now().Add(60 * time.Second)
	for { // one that was killed may have left processes that are about to end
		s.launch()
		if s.ready(deadline) {
			return
		}
		s.process.kill()
		s.process = nil
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(s.log())
			s.t.Fatalf("PostgreSQL does not start:\n%s", log)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *Server) launch() {
	s.t.Helper()
	args := []string{filepath.Join(s.bin, "postgres"), "-D", s.data()}
	for _, setting := range append([]string{
		"unix_socket_directories=" + s.folder, "listen_addresses=", "fsync=on", "max_connections=200",
		"max_wal_senders=8", "wal_level=replica", "hot_standby=on", "shared_buffers=64MB", "log_min_messages=warning",
	}, s.settings...) {
		args = append(args, "-c", setting)
	}
	p, err := launch(s.folder, s.log(), args)
	if err != nil {
		s.t.Fatal(err)
	}
	s.process = p
}

// ready waits until the server can be used, and reports whether it can.
func (s *Server) ready(deadline time.Time) bool {
	for wait := 5 * time.Millisecond; time.Now().Before(deadline); wait = min(2*wait, 100*time.Millisecond) {
		if _, err := s.psql("select 1"); err == nil {
			return true
		}
		if s.process.ended() {
			return false
		}
		time.Sleep(wait)
	}
	return false
}

// Stop stops the server in order: who is connected is disconnected.
func (s *Server) Stop() {
	if s.process != nil {
		s.process.stop()
		s.process = nil
	}
}

// Kill kills all processes of the server at once, as kill -9 does.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.kill()
		s.process = nil
	}
}

// Pause stops all processes of the server where they are, until Resume.
func (s *Server) Pause() { s.process.pause() }

// Resume lets a paused server go on.
func (s *Server) Resume() { s.process.resume() }

// Standby is a copy of the server that follows it, and for which its commits wait from now on, so that nothing acknowledged is
// lost when it is promoted.
func (s *Server) Standby(o ...Option) *Server {
	s.t.Helper()
	b := newServer(s.t, o)
	b.settings = append(slices.Clone(s.settings), b.settings...)
	s.run("pg_basebackup", "-h", s.folder, "-U", "postgres", "-D", b.data(), "-R", "--checkpoint=fast", "--no-sync", "-X", "stream")
	b.Restart()
	s.SQL("alter system set synchronous_standby_names = '*'")
	s.SQL("select pg_reload_conf()")
	for range 500 {
		if s.SQL("select count(*) from pg_stat_replication where sync_state = 'sync' and state = 'streaming'") == "1" {
			return b
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Fatalf("the standby does not follow: %s", s.SQL("select * from pg_stat_replication"))
	return nil
}

// Promote makes a standby the primary, which waits for nobody, and returns once it takes writes.
func (s *Server) Promote() {
	s.t.Helper()
	s.run("pg_ctl", "promote", "-D", s.data(), "-w")
	s.SQL("alter system reset synchronous_standby_names") // copied, or to come with the log
	s.SQL("select pg_reload_conf()")
}
