package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// pool keeps connections that are not in use.
type pool struct {
	config  *pgconn.Config
	options *Options
	table   string
	slots   chan struct{} // one for each connection there may be

	mu   sync.Mutex
	idle []*conn // the last one was used last
	age  int     // rises when a connection broke: those made before are not trusted
}

const (
	defaultConnections = 20
	defaultDial        = 2 * time.Second // of one host: the next may be the one that answers
)

func newPool(url string, o *Options, table string) (*pool, error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres URL: %w", err) // pgx leaves passwords out
	}
	if n, ok := config.RuntimeParams["pool_max_conns"]; ok { // as other programs have it
		delete(config.RuntimeParams, "pool_max_conns")
		if o.Connections == 0 {
			if o.Connections, err = strconv.Atoi(n); err != nil || o.Connections < 1 {
				return nil, fmt.Errorf("postgres URL: pool_max_conns=%s is not a number of connections", n)
			}
		}
	}
	if o.Connections == 0 {
		o.Connections = defaultConnections
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "obidos " + o.Cluster
	}
	if config.ValidateConnect == nil {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if config.ConnectTimeout == 0 || config.ConnectTimeout > time.Minute { // pgx's own default is two minutes
		config.ConnectTimeout = defaultDial
	}
	p := &pool{config: config, options: o, table: table, slots: make(chan struct{}, o.Connections)}
	dialer := net.Dialer{Timeout: config.ConnectTimeout, KeepAlive: 15 * time.Second}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if ctx.Value(connecting{}) == nil {
			return nil, errNoCancel
		}
		return dialer.DialContext(ctx, network, address)
	}
	config.OnNotice = func(pg *pgconn.PgConn, n *pgconn.Notice) {
		if c, ok := pg.CustomData()[ours].(*conn); ok {
			c.notice(n)
		}
	}
	return p, nil
}

// ours is under which a connection of pgx knows the conn it belongs to.
const ours = "obidos"

// connecting marks the contexts of connections we want. pgx makes others to cancel what a broken one was doing.
type connecting struct{}

var errNoCancel = errors.New("requests are not cancelled")

// take is a connection to the server that takes writes. It waits for one as long as there is patience.
func (p *pool) take(ctx context.Context) (*conn, error) {
	select {
	case p.slots <- struct{}{}:
	default:
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c, err := p.one(ctx, p.table)
	if err != nil {
		<-p.slots
	}
	return c, err
}

// one is a connection, its statements prepared where table is not empty.
func (p *pool) one(ctx context.Context, table string) (*conn, error) {
	for {
		c := p.pop()
		if c == nil {
			break
		}
		if c.ask() {
			c.doubt = false
			return c, nil
		}
		c.close()
	}
	deadline := time.Now().Add(p.options.Patience)
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		c, err := p.connect(ctx, table)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !away(err) || time.Now().Add(wait).After(deadline) {
			return nil, err
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// away reports that a server could not be reached, or is starting, or is not the primary yet: it may come.
func away(err error) bool {
	p, ok := errors.AsType[*pgconn.PgError](err)
	return !ok && !errors.As(err, new(*pgconn.ParseConfigError)) || ok && (p.Code == codeCannotNow || p.Code == codeTooMany || fatal(p) && p.Code[:2] == "57")
}

func (p *pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return c
}

// connect makes a connection, its statements prepared where table is not empty.
func (p *pool) connect(ctx context.Context, table string) (*conn, error) {
	pg, err := pgconn.ConnectConfig(context.WithValue(ctx, connecting{}, true), p.config)
	if err != nil {
		return nil, connectFailure(err)
	}
	remote := pg.Conn().RemoteAddr().String()
	c := &conn{pg: pg, address: remote, patience: p.options.Patience}
	p.mu.Lock()
	c.age = p.age
	p.mu.Unlock()
	pg.CustomData()[ours] = c
	if err := c.setUp(table, p.options.Relaxed); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func connectFailure(err error) error {
	if p, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch p.Code {
		case codeTooMany:
			return fmt.Errorf("PostgreSQL has no connection left: raise its max_connections, or lower pool_max_conns in the URL: %w", err)
		case codeNoDatabase:
			return fmt.Errorf("create the database first: %w", err)
		}
	}
	return fmt.Errorf("cannot connect to PostgreSQL: %w", err)
}

// give takes a connection back. One in a transaction, or broken, is closed.
func (p *pool) give(c *conn) {
	if !c.bad && c.pg.TxStatus() == 'I' {
		c.used = time.Now()
		p.mu.Lock()
		if c.age == p.age {
			p.idle = append(p.idle, c)
			p.mu.Unlock()
			<-p.slots
			return
		}
		p.mu.Unlock()
	}
	if c.bad { // so may others be: they are asked, by being made anew
		p.distrust(c.age)
	}
	c.close()
	<-p.slots
}

// distrust closes idle connections of that generation: the server went away, or is no primary any more.
func (p *pool) distrust(age int) {
	p.mu.Lock()
	var old []*conn
	if age == p.age {
		p.age++
		old, p.idle = p.idle, nil
	}
	p.mu.Unlock()
	for _, c := range old {
		c.close()
	}
}

// close closes what is idle: nothing is in use any more.
func (p *pool) close() {
	for c := p.pop(); c != nil; c = p.pop() {
		c.close()
	}
}
