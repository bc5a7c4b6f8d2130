package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
)

// awsVariables point any AWS client at the running obidos.
func awsVariables(url string) [][2]string {
	region := os.Getenv("AWS_REGION")
	if region == "" {
		region = os.Getenv("AWS_DEFAULT_REGION")
	}
	if region == "" {
		region = "us-east-1"
	}
	return [][2]string{
		{"AWS_ENDPOINT_URL", url},
		{"AWS_REGION", region},
		{"AWS_DEFAULT_REGION", region},
		{"AWS_ACCESS_KEY_ID", "test"},
		{"AWS_SECRET_ACCESS_KEY", "test"},
	}
}

// displaced are variables that would take precedence over ours, or lead to a real account.
var displaced = []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ENDPOINT_URL_SQS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}

func envCommand() *cobra.Command {
	var r running
	return r.flags(&cobra.Command{
		Use:     "env",
		Short:   "Print the variables that point AWS clients at obidos",
		Example: `  eval "$(obidos env)"`,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := r.resolve(); err != nil {
				return err
			}
			for _, v := range awsVariables(r.url()) {
				fmt.Fprintf(c.OutOrStdout(), "export %s=%s\n", v[0], v[1])
			}
			fmt.Fprintf(c.OutOrStdout(), "unset %s\n", strings.Join(displaced, " "))
			return nil
		},
	})
}

func execCommand() *cobra.Command {
	var r running
	c := r.flags(&cobra.Command{
		Use:     "exec -- COMMAND [ARGUMENT...]",
		Short:   "Run a command whose AWS clients talk to obidos",
		Example: "  obidos exec -- aws sqs list-queues",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.resolve(); err != nil {
				return err
			}
			return runIn(c.Context(), awsVariables(r.url()), args...)
		},
	})
	c.Flags().SetInterspersed(false)
	return c
}

func runHere(ctx context.Context, args ...string) error { return runIn(ctx, nil, args...) }

// runIn runs a command with our terminal and further variables, and passes its exit status on.
func runIn(ctx context.Context, variables [][2]string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if variables != nil {
		for _, v := range os.Environ() {
			name, _, _ := strings.Cut(v, "=")
			gone := false
			for _, d := range displaced {
				gone = gone || name == d
			}
			if !gone {
				cmd.Env = append(cmd.Env, v)
			}
		}
		for _, v := range variables {
			cmd.Env = append(cmd.Env, v[0]+"="+v[1])
		}
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &exitError{exit.ExitCode()}
	}
	return err
}
