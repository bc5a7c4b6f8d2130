package postgres_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/postgres"
	"github.com/obidos-cloud/obidos/internal/store/postgres/pgtest"
	"github.com/obidos-cloud/obidos/internal/store/storetest"
)

func put(e *postgres.Engine, key string, value []byte) error {
	return e.Update(context.Background(), store.UpdateOptions{}, func(tx store.Txn) error {
		tx.Set([]byte(key), value)
		return nil
	})
}

// writers count up, each in a row of its own and as fast as they can, until stop. They know what they were told.
type writers struct {
	e     *postgres.Engine
	acked [16]atomic.Uint64
	total atomic.Uint64
	gap   atomic.Int64 // the longest time between two acknowledgements of anybody
	last  atomic.Int64
	done  atomic.Bool
	wg    sync.WaitGroup
}

func (w *writers) start(t *testing.T) {
	w.last.Store(time.Now().UnixNano())
	for i := range w.acked {
		w.wg.Go(func() {
			for n := uint64(1); !w.done.Load(); n++ {
				for { // writing it again comes to the same
					err := put(w.e, fmt.Sprint("w", i), binary.BigEndian.AppendUint64(nil, n))
					if err == nil {
						break
					}
					if !errors.Is(err, store.ErrUnknown) {
						t.Errorf("writer %d: %v", i, err)
						return
					}
				}
				w.acked[i].Store(n)
				w.total.Add(1)
				now := time.Now().UnixNano()
				for gap := now - w.last.Swap(now); ; {
					old := w.gap.Load()
					if gap <= old || w.gap.CompareAndSwap(old, gap) {
						break
					}
				}
			}
		})
	}
}

func (w *writers) until(total uint64) {
	for deadline := time.Now().Add(20 * time.Second); w.total.Load() < total && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// check has an engine of its own find what was acknowledged.
func (w *writers) check(t *testing.T, e *postgres.Engine) {
	t.Helper()
	if err := e.View(t.Context(), func(r store.Reader) error {
		for i := range w.acked {
			v, err := r.Get(fmt.Append(nil, "w", i))
			if err != nil {
				return err
			}
			if len(v) != 8 || binary.BigEndian.Uint64(v) < w.acked[i].Load() {
				t.Errorf("writer %d was told of %d, the store holds %x", i, w.acked[i].Load(), v)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// The server is killed under load, again and again, and started: the engine goes on by itself, and nothing acknowledged is lost.
func TestAKilledServerLosesNothing(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	w := &writers{e: open(t, server.URL(), postgres.Options{})}
	w.start(t)
	for range 3 {
		w.until(w.total.Load() + 300)
		server.Kill()
		server.Restart()
	}
	w.until(w.total.Load() + 300)
	w.done.Store(true)
	w.wg.Wait()
	w.check(t, open(t, server.URL(), postgres.Options{}))
	t.Logf("%d commits, longest gap %v", w.total.Load(), time.Duration(w.gap.Load()))
}

// The primary is killed under load and its synchronous standby promoted.
func TestFailoverLosesNothing(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	standby := primary.Standby()
	url := pgtest.URL(primary, standby)
	w := &writers{e: open(t, url, postgres.Options{})}
	w.start(t)
	w.until(500)
	primary.Kill()
	standby.Promote()
	w.until(w.total.Load() + 500)
	w.done.Store(true)
	w.wg.Wait()
	w.check(t, open(t, standby.URL(), postgres.Options{}))
	t.Logf("%d commits, longest gap %v", w.total.Load(), time.Duration(w.gap.Load()))
}

// A server that does not answer is not waited for without end.
func TestAServerThatHangs(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	e := open(t, server.URL(), postgres.Options{Patience: 500 * time.Millisecond})
	if err := put(e, "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	start := time.Now()
	writing := put(e, "a", []byte("2"))
	reading := e.View(t.Context(), func(r store.Reader) error { _, err := r.Get([]byte("a")); return err })
	took := time.Since(start)
	server.Resume()
	if !errors.Is(writing, store.ErrUnknown) {
		t.Errorf("a write to a server that hangs: %v", writing)
	}
	if reading == nil {
		t.Error("a read of a server that hangs reports no error")
	}
	if took > 15*time.Second {
		t.Errorf("they were given up after %v", took)
	}
	if err := put(e, "a", []byte("3")); err != nil {
		t.Errorf("after it goes on: %v", err)
	}
}

// A node that froze in the middle of a transaction does not keep others waiting.
func TestAFrozenTransactionIsEnded(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	e := open(t, server.URL(), postgres.Options{})
	if err := put(e, "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	other, err := pgconn.Connect(t.Context(), server.URL()+"&application_name=obidos%20main")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	if _, err := other.Exec(t.Context(), `begin; update obidos_main set v = 'frozen' where k = 'a'`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := put(e, "a", []byte("2")); err != nil {
		t.Errorf("behind a frozen transaction: %v", err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	if _, err := other.Exec(t.Context(), `commit`).ReadAll(); err == nil {
		t.Error("the frozen transaction was committed")
	}
}

// Nodes that start while somebody has the table for a while (another that makes it, an administrator) wait for it.
func TestOpensWhenTheTableIsLockedForAWhile(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	open(t, server.URL(), postgres.Options{})
	var holding sync.WaitGroup
	holding.Go(func() {
		server.SQL("begin; lock table obidos_main in access exclusive mode; select pg_sleep(1); commit")
	})
	defer holding.Wait()
	for server.SQL("select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted and relation = 'obidos_main'::regclass") == "0" {
		time.Sleep(10 * time.Millisecond)
	}
	e, err := postgres.Open(t.Context(), server.URL(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// Nodes of a new cluster that start at the same moment all make its table.
func TestOpensOnANewDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	for i := range 20 {
		var nodes sync.WaitGroup
		for range 6 {
			nodes.Go(func() {
				e, err := postgres.Open(t.Context(), server.URL(), postgres.Options{Cluster: fmt.Sprint("new-", i)})
				if err != nil {
					t.Error(err)
					return
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		nodes.Wait()
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	server.SQL(`create role guest login; revoke create on schema public from public`)
	open(t, server.URL(), postgres.Options{Cluster: "newer"}).Close()
	server.SQL(`update obidos_newer set v = 'obidos store format 9' where k = ''`)
	server.SQL(`create table obidos_foreign (k bytea primary key, v bytea); insert into obidos_foreign values ('', 'mine')`)
	unsafe := pgtest.Start(t, pgtest.Set("fsync", "off"))
	guest := strings.Replace(server.URL(), "user=postgres", "user=guest", 1)
	for name, c := range map[string]struct{ url, cluster, want string }{
		"no server":       {"postgres://nobody:secret@127.0.0.1:1/x", "", "cannot connect to PostgreSQL"},
		"no database":     {strings.Replace(server.URL(), "/postgres?", "/none?", 1), "", "create the database first"},
		"no role":         {strings.Replace(server.URL(), "user=postgres", "user=none", 1), "", "cannot connect to PostgreSQL"},
		"no rights":       {guest, "", "may not make obidos's table"},
		"no URL":          {"postgres://%zz", "", "postgres URL"},
		"a bad cluster":   {server.URL(), `a"b`, "a cluster's name is"},
		"a newer format":  {server.URL(), "newer", "made by a newer obidos"},
		"another's table": {server.URL(), "foreign", "is not obidos's"},
		"no syncs":        {unsafe.URL(), "", "fsync=off"},
	} {
		e, err := postgres.Open(t.Context(), c.url, postgres.Options{Cluster: c.cluster, Patience: 300 * time.Millisecond})
		if err == nil {
			e.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	open(t, unsafe.URL(), postgres.Options{Relaxed: true})

	e := open(t, server.URL(), postgres.Options{Cluster: "full"})
	server.SQL(`create function full_disk() returns trigger language plpgsql as
		$$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
		create trigger full_disk before insert on obidos_full for each row execute function full_disk()`)
	err := put(e, "a", nil)
	if _, ok := errors.AsType[*store.DiskFullError](err); !ok {
		t.Errorf("on a full disk: %v", err)
	}
	server.SQL(`drop trigger full_disk on obidos_full`)
	if err := put(e, "a", nil); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

// cutter is a proxy before a server that cuts the connections of updates: before the server has heard their BEGIN, before it
// has heard their COMMIT, or before it has answered that. It knows both by the names of prepared statements.
type cutter struct {
	net.Listener
	target string
	wg     sync.WaitGroup
	mu     sync.Mutex
	rng    *rand.Rand
	ends   map[net.Conn]bool // of both sides
}

func cut(t *testing.T, target string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, target: target, rng: rand.New(rand.NewPCG(rand.Uint64(), 0)), ends: make(map[net.Conn]bool)}
	c.wg.Go(c.serve)
	t.Cleanup(func() {
		l.Close()
		c.mu.Lock()
		for end := range c.ends {
			end.Close()
		}
		c.mu.Unlock()
		c.wg.Wait()
	})
	return fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=disable", l.Addr())
}

func (c *cutter) serve() {
	for {
		client, err := c.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", c.target)
		if err != nil {
			client.Close()
			continue
		}
		c.mu.Lock()
		c.ends[client], c.ends[server] = true, true
		c.mu.Unlock()
		var deaf atomic.Bool
		end := func() { client.Close(); server.Close() }
		c.wg.Go(func() {
			defer end()
			b := make([]byte, 64<<10)
			for {
				n, err := client.Read(b)
				if err != nil {
					return
				}
				switch commits, begins := bytes.Contains(b[:n], []byte("obidos2\x00")), bytes.Contains(b[:n], []byte("obidos1\x00")); {
				case commits && c.draw(20) == 0, begins && !commits && c.draw(20) == 0:
					return
				case commits && c.draw(20) == 0:
					deaf.Store(true)
				}
				if _, err := server.Write(b[:n]); err != nil {
					return
				}
			}
		})
		c.wg.Go(func() {
			defer end()
			b := make([]byte, 64<<10)
			for {
				n, err := server.Read(b)
				if err != nil || deaf.Load() {
					return
				}
				if _, err := client.Write(b[:n]); err != nil {
					return
				}
			}
		})
	}
}

func (c *cutter) draw(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

// The suite over connections that break at any time.
func TestSuiteOnBreakingConnections(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := cut(t, server.Socket())
	n := 0
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		n++
		return storetest.Subject{Engine: open(t, url, postgres.Options{Cluster: fmt.Sprintf("cut-%d", n)}), Unknown: true}
	})
}
