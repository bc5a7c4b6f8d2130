package postgres_test

import (
	"fmt"
	"testing"

	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/store/postgres"
	"github.com/obidos-cloud/obidos/internal/store/postgres/pgtest"
	"github.com/obidos-cloud/obidos/internal/store/storetest"
)

func open(t *testing.T, url string, o postgres.Options) *postgres.Engine {
	t.Helper()
	e, err := postgres.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestSuite(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	n := 0
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		n++
		o := postgres.Options{Cluster: fmt.Sprintf("suite-%d", n)}
		e := open(t, server.URL(), o)
		return storetest.Subject{
			Engine: e,
			Reopen: func() store.Engine {
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
				e = open(t, server.URL(), o)
				return e
			},
			Crash: func() store.Engine {
				server.Kill()
				server.Restart()
				e = open(t, server.URL(), o)
				return e
			},
		}
	})
}
