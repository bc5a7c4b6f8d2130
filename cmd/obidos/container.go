package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/localstack"
)

// containerData is where state is kept in a container: below the volume, which belongs to whoever mounted it, in a directory that
// can be private.
const containerData = "/var/lib/obidos/data"

// asCalled are the arguments for c of a program that may have been called by another of its names: by that of the entry point
// of LocalStack's image, it starts; by "awslocal", it is that.
func asCalled(c *cobra.Command, args []string) ([]string, error) {
	switch strings.TrimSuffix(filepath.Base(args[0]), ".exe") {
	case "awslocal":
		return append([]string{"awslocal", "--"}, args[1:]...), nil
	case "docker-entrypoint.sh":
		args = args[1:]
		if len(args) == 0 || strings.HasPrefix(args[0], "-") {
			return append([]string{"start", "--container"}, args...), nil
		}
		if slices.ContainsFunc(c.Commands(), func(c *cobra.Command) bool { return c.Name() == args[0] }) {
			return args, nil
		}
		return nil, become(args) // docker run IMAGE sh
	}
	return args[1:], nil
}

// become runs another program in our place.
func become(args []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("%s is neither a command of obidos nor a program: %w", args[0], err)
	}
	return replaceWith(path, args)
}

// inContainer gives settings that nobody has spoken of the values they have in a container: those that LocalStack's variables
// ask for, and defaults of its own.
func (c *config) inContainer(set func(f *pflag.Flag, value, origin string)) {
	c.wishes = localstack.Read(os.Environ(), localstack.Place{Volume: localstack.Volume(), Serves: serves})
	for _, s := range c.wishes.Settings {
		if s.Name == "memory" && (c.origin["data"] != "" || c.origin["store"] != "") {
			continue // a place to keep state was named
		}
		set(c.flags.Lookup(s.Name), s.Value, "environment "+s.From)
	}
	for name, value := range map[string]string{"listen": "0.0.0.0:4566", "data": containerData, "open-to-network": "true", "init-hooks": localstack.HooksRoot} {
		set(c.flags.Lookup(name), value, "container")
	}
}

// explainData says what to do where the container's user may not write to what was mounted: Docker makes the directory of a volume
// that is not there as root.
func (c *config) explainData(err error) error {
	if !c.container || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w; obidos runs here as user %d, who may not write there: give that user the directory that is mounted (on the host: "+
		"chown -R %[2]d DIRECTORY), or run the container as the directory's owner (docker run --user UID; in compose, user: UID)", err, os.Getuid())
}

// serves reports whether a service of that name serves anything.
func serves(name string) bool {
	for _, s := range api.All() {
		if s.Name != name {
			continue
		}
		for i := range s.Operations {
			if s.Operations[i].Served() {
				return true
			}
		}
	}
	return false
}

// healthTimeout is how long a health check waits for an answer.
const healthTimeout = 3 * time.Second

// healthCommand is the image's health check. It takes part in nothing and is done in milliseconds.
func healthCommand() *cobra.Command {
	var r running
	return r.command(&cobra.Command{
		Use:   "health",
		Short: "Succeed if obidos serves and its init hooks have run: for health checks",
		Args:  cobra.NoArgs,
	}, func(c *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(c.Context(), healthTimeout)
		defer cancel()
		h, err := r.health(ctx)
		if err != nil {
			return err
		}
		if h.Trouble != "" { // it serves all the same: a restart would not mend a full disk
			fmt.Fprintln(c.ErrOrStderr(), h.Trouble)
		}
		var stage localstack.StageReport
		if err := r.ask(ctx, http.MethodGet, "/_localstack/init/ready", nil, &stage); err != nil {
			return err
		}
		if !stage.Completed {
			return errors.New("the init hooks of ready.d are still running")
		}
		fmt.Fprintln(c.OutOrStdout(), h.Status)
		return nil
	})
}
