package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/obidos-cloud/obidos/internal/platform"
	"github.com/obidos-cloud/obidos/internal/snapshot"
)

// either asks the obidos that runs; where none does, it opens the data directory itself for as long as alone takes.
func (r *running) either(ctx context.Context, asked func() error, alone func(ctx context.Context, p *platform.Platform) error) error {
	err := asked()
	if !errors.Is(err, errNobody) || !r.kept() {
		return err
	}
	p, err := r.open()
	if err != nil {
		return err
	}
	running, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(running, nil) }()
	if err = p.Ready(ctx); err == nil {
		err = alone(ctx, p)
	}
	end()
	return errors.Join(err, <-ended, p.Close())
}

// kept reports whether the settings name a state that is there while no obidos runs: that of a data directory, or of a cluster's
// store.
func (r *running) kept() bool {
	if r.memory || strings.HasPrefix(r.from("listen"), "flag") {
		return false
	}
	_, missing := os.Stat(filepath.Join(r.data, "FORMAT"))
	return r.store != "" || missing == nil
}

// open opens that state.
func (r *running) open() (*platform.Platform, error) {
	return platform.Open(r.options(newLogger(os.Stderr, "warn", r.logFormat), nil))
}

func resetCommand() *cobra.Command {
	var r running
	c := r.command(&cobra.Command{
		Use:   "reset",
		Short: "Forget everything but snapshots: every queue, message and setting, in all accounts",
		Long: "Forget everything but snapshots: every queue, message and setting, in all accounts, on all nodes.\n\n" +
			"Where no obidos runs the data directory is emptied, or with --store the cluster's store; also what an import has left half filled.",
		Args: cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		err := r.ask(c.Context(), http.MethodPost, "/_obidos/reset", nil, nil)
		if errors.Is(err, errNobody) && r.kept() {
			var p *platform.Platform
			if p, err = r.open(); err == nil {
				err = errors.Join(p.Clear(c.Context()), p.Close())
			}
		}
		if err == nil {
			fmt.Fprintln(c.OutOrStdout(), "everything is forgotten")
		}
		return err
	})
	r.config.flags.VisitAll(func(f *pflag.Flag) { f.Hidden = f.Hidden && f.Name != "store" && f.Name != "cluster" })
	return c
}

func snapshotCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshot",
		Short: "Save the state under a name, set it back, or have another obidos begin with it",
		Args:  cobra.NoArgs,
	}
	var save, restore, list, remove running
	c.AddCommand(
		forkCommand(),
		save.command(&cobra.Command{
			Use:   "save NAME",
			Short: "Save the state, while it runs",
			Args:  cobra.ExactArgs(1),
		}, func(c *cobra.Command, args []string) error {
			var i snapshot.Info
			err := save.either(c.Context(), func() error {
				return save.ask(c.Context(), http.MethodPut, "/_obidos/snapshots/"+url.PathEscape(args[0]), nil, &i)
			}, func(ctx context.Context, p *platform.Platform) (err error) {
				i, err = p.SaveSnapshot(ctx, args[0])
				return err
			})
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), "saved", i.Name)
			}
			return err
		}),
		restore.command(&cobra.Command{
			Use:   "restore NAME",
			Short: "Set the state back; clients see a short pause",
			Args:  cobra.ExactArgs(1),
		}, func(c *cobra.Command, args []string) error {
			err := restore.either(c.Context(), func() error {
				return restore.ask(c.Context(), http.MethodPost, "/_obidos/snapshots/"+url.PathEscape(args[0])+"/restore", nil, nil)
			}, func(ctx context.Context, p *platform.Platform) error { return p.RestoreSnapshot(ctx, args[0]) })
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), "restored", args[0])
			}
			return err
		}),
		list.command(&cobra.Command{
			Use:   "list",
			Short: "Name the snapshots, the oldest first",
			Args:  cobra.NoArgs,
		}, func(c *cobra.Command, _ []string) error {
			var all []snapshot.Info
			err := list.either(c.Context(), func() error {
				return list.ask(c.Context(), http.MethodGet, "/_obidos/snapshots", nil, &all)
			}, func(_ context.Context, p *platform.Platform) (err error) {
				all, err = p.Snapshots()
				return err
			})
			for _, i := range all {
				fmt.Fprintf(c.OutOrStdout(), "%-24s %s\n", i.Name, i.Saved.Local().Format(time.DateTime))
			}
			return err
		}),
		remove.command(&cobra.Command{
			Use:   "delete NAME",
			Short: "Delete a snapshot; what only it kept is freed",
			Args:  cobra.ExactArgs(1),
		}, func(c *cobra.Command, args []string) error {
			return remove.either(c.Context(), func() error {
				return remove.ask(c.Context(), http.MethodDelete, "/_obidos/snapshots/"+url.PathEscape(args[0]), nil, nil)
			}, func(_ context.Context, p *platform.Platform) error { return p.DeleteSnapshot(args[0]) })
		}),
	)
	return c
}
