// Command obidos is your own serverless cloud: the AWS APIs, served for real from one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set when a release is built.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	c := root()
	args, err := asCalled(c, os.Args)
	if err == nil {
		c.SetArgs(args)
		err = c.ExecuteContext(ctx)
	}
	exit, silent := errors.AsType[*exitError](err)
	switch {
	case silent:
		os.Exit(exit.code)
	case err != nil:
		fmt.Fprintln(os.Stderr, "obidos:", err)
		os.Exit(1)
	}
}

// exitError ends the program with a status and no words of ours: a command we ran has said its own.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "obidos",
		Short:         "Your own serverless cloud: the AWS APIs in one binary",
		Example:       "  obidos start\n  obidos exec -- aws sqs create-queue --queue-name hello\n  obidos demo",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	// Not cobra's own flag: a template of ours for it would link text/template, and with it every method of every type.
	asked := c.Flags().BoolP("version", "v", false, "Print the version")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *asked {
			printVersion(c)
			return nil
		}
		return c.Help()
	}
	c.AddCommand(
		startCommand(), waitCommand(), stopCommand(), statusCommand(), clusterCommand(), healthCommand(), awslocalCommand(),
		envCommand(), execCommand(), clockCommand(), resetCommand(), snapshotCommand(), exportCommand(), importCommand(), trustCommand(),
		logsCommand(), authCommand(), accountCommand(), doctorCommand(), configCommand(), demoCommand(), versionCommand(),
	)
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(c *cobra.Command, _ []string) { printVersion(c) },
	}
}

func printVersion(c *cobra.Command) { fmt.Fprintln(c.OutOrStdout(), "obidos", version) }

func configCommand() *cobra.Command {
	var cfg config
	c := &cobra.Command{
		Use:   "config",
		Short: "Print every setting, its value and where that comes from",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := cfg.resolve(); err != nil {
				return err
			}
			cfg.print(c.OutOrStdout())
			return nil
		},
	}
	cfg.settings(c)
	return c
}
