package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/localstack"
)

// lastHooks is how long the hooks of shutdown.d may take together: Docker ends a container ten seconds after it asked.
const lastHooks = 5 * time.Second

// initHooks are the scripts that run while we start and stop.
type initHooks struct {
	*localstack.Hooks // nil where no folder of them was named
	cfg               *config
}

// findHooks looks for init hooks. What they write goes where we write.
func (c *config) findHooks(log *slog.Logger, out *os.File) (initHooks, error) {
	if c.hooks == "" {
		return initHooks{}, nil
	}
	h, err := localstack.FindHooks(c.hooks)
	if err != nil {
		return initHooks{}, err
	}
	h.Log, h.Stdout, h.Stderr = log, out, os.Stderr
	h.Environ = c.hookEnviron(os.Environ(), (&running{config: config{listen: c.listen}}).url())
	return initHooks{h, c}, nil
}

// serveAt tells the hooks where we listen, now that it is known.
func (h initHooks) serveAt(a net.Addr) {
	if h.Hooks != nil {
		h.Environ = h.cfg.hookEnviron(os.Environ(), (&running{config: config{listen: a.String()}}).url())
	}
}

// last runs the hooks of shutdown.d.
func (h initHooks) last(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastHooks)
	defer cancel()
	h.Run(ctx, localstack.Shutdown)
}

// hookEnviron is an environment in which AWS clients talk to us, as far as it does not have them do something else: as root.
func (c *config) hookEnviron(environ []string, url string) []string {
	key, secret := "test", "test"
	if c.rootKey != "" {
		key, secret = c.rootKey, c.rootSecret
	}
	region := "us-east-1"
	for _, name := range []string{"DEFAULT_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"} {
		if v := os.Getenv(name); v != "" {
			region = v
		}
	}
	for _, v := range [][2]string{
		{"AWS_ENDPOINT_URL", url}, {"AWS_ACCESS_KEY_ID", key}, {"AWS_SECRET_ACCESS_KEY", secret}, {"AWS_DEFAULT_REGION", region}, {"AWS_REGION", region},
	} {
		named := func(have string) bool { return strings.HasPrefix(have, v[0]+"=") && len(have) > len(v[0])+1 }
		if !slices.ContainsFunc(environ, named) {
			environ = append(environ, v[0]+"="+v[1])
		}
	}
	return environ
}

// warnOfWishes names, once, the variables that were meant for LocalStack and have no effect.
func (c *config) warnOfWishes(log *slog.Logger) {
	if len(c.wishes.Unmet) > 0 {
		log.Warn("these variables were meant for LocalStack and change nothing here; see docs/migrate.md", "variables", strings.Join(c.wishes.Unmet, "; "))
	}
}
