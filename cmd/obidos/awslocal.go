package main

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/awslocal"
	"github.com/obidos-cloud/obidos/internal/sigv4"
)

// awslocalCommand is what LocalStack's users know as awslocal: the AWS CLI, told where we are. Where there is no AWS CLI, a small
// part of it is here.
func awslocalCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "awslocal SERVICE OPERATION [OPTION...]",
		Short:              "Run the AWS CLI against obidos, or a small part of it where there is none",
		Example:            "  obidos awslocal sqs create-queue --queue-name hello --query QueueUrl --output text",
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 && args[0] == "--" {
				args = args[1:]
			}
			if len(args) == 0 || args[0] == "--help" || args[0] == "-h" {
				return c.Help()
			}
			url, err := awslocalEndpoint()
			if err != nil {
				return err
			}
			root := config{rootKey: os.Getenv("OBIDOS_ROOT_ACCESS_KEY"), rootSecret: os.Getenv("OBIDOS_ROOT_SECRET")}
			environ := root.hookEnviron(os.Environ(), url)
			if path, err := exec.LookPath("aws"); err == nil && !isSelf(path) {
				args = withEndpoint(url, append([]string{path}, args...))
				cmd := exec.CommandContext(c.Context(), args[0], args[1:]...)
				cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdin, os.Stdout, os.Stderr, environ
				err := cmd.Run()
				if exit, ok := errors.AsType[*exec.ExitError](err); ok {
					return &exitError{max(exit.ExitCode(), 1)}
				}
				return err
			}
			return (&awslocal.Command{
				Services: api.All(), Endpoint: url, Region: of(environ, "AWS_DEFAULT_REGION"), Client: http.DefaultClient, Out: c.OutOrStdout(),
				Credentials: sigv4.Credentials{
					AccessKey: of(environ, "AWS_ACCESS_KEY_ID"), Secret: of(environ, "AWS_SECRET_ACCESS_KEY"), Token: os.Getenv("AWS_SESSION_TOKEN"),
				},
			}).Run(c.Context(), args)
		},
	}
}

// awslocalEndpoint is where obidos is: where AWS_ENDPOINT_URL says, or the settings.
func awslocalEndpoint() (string, error) {
	if url := os.Getenv("AWS_ENDPOINT_URL"); url != "" {
		return url, nil
	}
	var r running
	r.flags(&cobra.Command{})
	if err := r.resolve(); err != nil {
		return "", err
	}
	return r.url(), nil
}

// isSelf reports whether a program is this one by another name.
func isSelf(path string) bool {
	self, err := os.Executable()
	if err != nil {
		return false
	}
	theirs, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	ours, err := filepath.EvalSymlinks(self)
	return err == nil && ours == theirs
}

// of is the last value that an environment has for a name.
func of(environ []string, name string) string {
	for _, v := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}
