package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// awsVariables point any AWS client at the running obidos. Where that asks for real keys, those the environment has are left.
func awsVariables(url string, h health) [][2]string {
	region := os.Getenv("AWS_REGION")
	if region == "" {
		region = os.Getenv("AWS_DEFAULT_REGION")
	}
	if region == "" {
		region = "us-east-1"
	}
	variables := [][2]string{
		{"AWS_ENDPOINT_URL", url},
		{"AWS_REGION", region},
		{"AWS_DEFAULT_REGION", region},
		{"AWS_DISABLE_HOST_PREFIX_INJECTION", "true"}, // stream-127.0.0.1 is nowhere
	}
	if h.Auth == "iam" {
		return variables
	}
	return append(variables, [2]string{"AWS_ACCESS_KEY_ID", "test"}, [2]string{"AWS_SECRET_ACCESS_KEY", "test"})
}

// displaced are variables that would take precedence over ours, or lead to a real account.
func displaced(h health) []string {
	elsewhere := []string{"AWS_ENDPOINT_URL_SQS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}
	if h.Auth == "iam" {
		return elsewhere
	}
	return append(elsewhere, "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
}

func envCommand() *cobra.Command {
	var r running
	var shell string
	c := r.command(&cobra.Command{
		Use:     "env",
		Short:   "Print the variables that point AWS clients at obidos",
		Example: "  eval \"$(obidos env)\"\n  obidos env --shell fish | source\n  obidos env --shell powershell | Invoke-Expression",
		Args:    cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		set, unset := "export %s=%s\n", "unset %s\n"
		switch shell {
		case "sh":
		case "fish":
			set, unset = "set -gx %s %s\n", "set -e %s\n"
		case "powershell":
			set, unset = "$env:%s = '%s'\n", "Remove-Item Env:%s -ErrorAction Ignore\n"
		default:
			return fmt.Errorf("--shell is %q; it can be sh, fish or powershell", shell)
		}
		h, err := r.health(c.Context())
		if err != nil && !errors.Is(err, errNobody) {
			return err
		}
		for _, v := range awsVariables(r.url(), h) {
			fmt.Fprintf(c.OutOrStdout(), set, v[0], v[1])
		}
		for _, name := range displaced(h) {
			fmt.Fprintf(c.OutOrStdout(), unset, name)
		}
		return nil
	})
	c.Flags().StringVar(&shell, "shell", usualShell(), "whose `language` to print: sh, fish or powershell")
	return c
}

// usualShell is the language of the shell we were probably started from.
func usualShell() string {
	switch {
	case runtime.GOOS == "windows":
		return "powershell"
	case filepath.Base(os.Getenv("SHELL")) == "fish":
		return "fish"
	}
	return "sh"
}

func execCommand() *cobra.Command {
	var r running
	c := r.command(&cobra.Command{
		Use:     "exec -- COMMAND [ARGUMENT...]",
		Short:   "Run a command whose AWS clients talk to obidos",
		Example: "  obidos exec -- aws sqs list-queues",
		Args:    cobra.MinimumNArgs(1),
	}, func(c *cobra.Command, args []string) error {
		h, err := r.health(c.Context())
		if err != nil {
			return err
		}
		return runIn(c.Context(), awsVariables(r.url(), h), displaced(h), withEndpoint(r.url(), args)...)
	})
	c.Flags().SetInterspersed(false)
	return c
}

// withEndpoint tells the AWS CLI the endpoint as an option too: versions from before July 2023 read no variable for it, and
// would ask AWS itself.
func withEndpoint(url string, args []string) []string {
	name := strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	told := slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--endpoint-url") })
	if name != "aws" || told {
		return args
	}
	return slices.Insert(slices.Clone(args), 1, "--endpoint-url", url)
}

func runHere(ctx context.Context, args ...string) error { return runIn(ctx, nil, nil, args...) }

// runIn runs a command with our terminal, further variables and without some, and passes its exit status on.
func runIn(ctx context.Context, variables [][2]string, without []string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends as it sees fit, and says with what
	if variables != nil {
		for _, v := range os.Environ() {
			if name, _, _ := strings.Cut(v, "="); !slices.Contains(without, name) {
				cmd.Env = append(cmd.Env, v)
			}
		}
		for _, v := range variables {
			cmd.Env = append(cmd.Env, v[0]+"="+v[1])
		}
	}
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return &exitError{max(exit.ExitCode(), 1)} // -1: a signal ended it
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("there is no program %s on this machine", args[0])
	}
	return err
}
