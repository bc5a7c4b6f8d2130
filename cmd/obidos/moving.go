package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/obidos-cloud/obidos/internal/platform"
)

func exportCommand() *cobra.Command {
	var r running
	return r.command(&cobra.Command{
		Use:   "export FILE|-",
		Short: "Write the state to a file that any obidos imports, on whatever store",
		Args:  cobra.ExactArgs(1),
	}, func(c *cobra.Command, args []string) (err error) {
		to, part := io.Writer(c.OutOrStdout()), ""
		if args[0] != "-" {
			part = args[0] + ".part" // it has its name once it is whole
			f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
			if err != nil {
				return err
			}
			defer f.Close()
			to = f
		}
		err = r.either(c.Context(), func() error { return r.download(c.Context(), "/_obidos/export", to) },
			func(ctx context.Context, p *platform.Platform) error { return p.Export(ctx, to) })
		if part == "" {
			return err
		}
		if err == nil {
			err = errors.Join(to.(*os.File).Sync(), os.Rename(part, args[0]))
		} else {
			err = errors.Join(err, os.Remove(part))
		}
		return err
	})
}

func importCommand() *cobra.Command {
	var cfg config
	c := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Fill an empty store with an export; obidos must not be running on it",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := cfg.resolve(); err != nil {
				return err
			}
			from := c.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				from = f
			}
			p, err := platform.Open(cfg.options(newLogger(os.Stderr, "warn", cfg.logFormat), nil))
			if err != nil {
				return err
			}
			if err = errors.Join(p.Import(c.Context(), from), p.Close()); err == nil {
				fmt.Fprintln(c.OutOrStdout(), "imported")
			}
			return err
		},
	}
	cfg.settings(c)
	return c
}

// download writes what the running obidos answers to w.
func (r *running) download(ctx context.Context, path string, w io.Writer) error {
	answer, err := r.request(ctx, r.socket(), http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	_, err = io.Copy(w, answer)
	return err
}
