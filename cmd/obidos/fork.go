package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/obidos-cloud/obidos/internal/platform"
)

// fork says that an obidos is to begin as a snapshot does, and what that is of.
type fork struct {
	of   *platform.Fork                                        // a data directory's
	fill func(ctx context.Context, p *platform.Platform) error // an obidos's that keeps it in memory; nil otherwise
	name string
}

func forkCommand() *cobra.Command {
	var r running
	var from string
	c := r.flags(&cobra.Command{
		Use:   "fork NAME",
		Short: "Run another obidos that begins as a snapshot; what it is told goes with it",
		Long: "Run another obidos that begins as a snapshot and goes its own way, until it is stopped: then nothing of it is left.\n\n" +
			"It serves on --listen, or a free port that it names. The snapshot is that of the obidos of --data, running or not, or of --from.",
		Example: "  obidos snapshot fork base --listen 127.0.0.1:4600",
		Args:    cobra.ExactArgs(1),
	})
	c.Flags().StringVar(&from, "from", "", "`address` of the obidos that has the snapshot, where it is not that of --data")
	c.Flags().Lookup("listen").Usage = "`address` to serve on (default: a free port of 127.0.0.1)"
	c.RunE = func(c *cobra.Command, args []string) error {
		// --listen is where the fork serves; the settings' listen is where the other one does.
		listen, own := "127.0.0.1:0", c.Flags().Lookup("listen")
		if own.Changed {
			listen = own.Value.String()
			if err := own.Value.Set(defaultListen); err != nil {
				return err
			}
			own.Changed = false
		}
		if from != "" {
			if err := own.Value.Set(from); err != nil {
				return err
			}
			own.Changed = true
		}
		if err := r.resolve(); err != nil {
			return err
		}
		f, err := r.findSnapshot(c.Context(), args[0])
		if err != nil {
			return err
		}
		cfg := r.config
		cfg.fork, cfg.listen, cfg.hooks = f, listen, ""
		cfg.memory = f.of == nil
		if err := guardAddress(&cfg); err != nil {
			return err
		}
		return start(c.Context(), &cfg, os.Stdout)
	}
	return c
}

// findSnapshot is where a snapshot is to be had: in the data directory of the obidos that is meant, running or not, or from one
// in memory.
func (r *running) findSnapshot(ctx context.Context, name string) (*fork, error) {
	f := &fork{name: name}
	switch h, err := r.health(ctx); {
	case errors.Is(err, errNobody) && r.kept() && r.store == "":
		f.of = &platform.Fork{Data: r.data, Snapshot: name}
	case err != nil:
		return nil, err
	case filepath.IsAbs(h.Data):
		if _, err := os.Stat(filepath.Join(h.Data, "FORMAT")); err != nil {
			return nil, fmt.Errorf("the obidos at %s keeps its snapshots in %s, which is to be forked from there: %w", r.url(), h.Data, err)
		}
		f.of = &platform.Fork{Data: h.Data, Snapshot: name}
	default:
		f.fill = func(ctx context.Context, p *platform.Platform) error {
			from, to := io.Pipe()
			done := make(chan error, 1)
			go func() {
				err := r.download(ctx, "/_obidos/snapshots/"+url.PathEscape(name)+"/export", to)
				to.CloseWithError(errors.Join(err, io.EOF))
				done <- err
			}()
			err := p.Import(ctx, from)
			_ = from.Close() // it never fails
			if failed := <-done; failed != nil {
				return failed
			}
			return err
		}
	}
	return f, nil
}
