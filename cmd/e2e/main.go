// Command e2e runs real, unmodified AWS clients against a real obidos process: each plays the same scenario in its own
// language (test/e2e). What a client needs is installed into a cache folder from its own registry; a client whose language is
// not on this machine is left out, and that is said. Then it runs the image that is shipped in the homes where people will run it
// (test/homes): docker run, compose, Testcontainers, a service container, a pod. They take a Docker daemon; root starts one, and
// installs Debian's if need be.
//
//	go run ./cmd/e2e -obidos bin/obidos [-run python]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	obidos := flag.String("obidos", "bin/obidos", "the binary to test")
	only := flag.String("run", "", "only clients whose name matches this regular expression")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *obidos, *only); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
}

// errMissing leaves a client out.
type errMissing struct{ what string }

func (e errMissing) Error() string { return e.what + " is not on this machine" }

func run(ctx context.Context, obidos, only string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	home, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	obidos, err = filepath.Abs(obidos)
	if err != nil {
		return err
	}
	passed, skipped := 0, 0
	var failed []string
	tell := func(name string, took time.Duration, err error) {
		var missing errMissing
		switch {
		case errors.As(err, &missing):
			skipped++
			fmt.Printf("%-28s left out: %v\n", name, err)
		case err != nil:
			failed = append(failed, name)
			fmt.Printf("%-28s FAILED: %v\n", name, err)
		default:
			passed++
			fmt.Printf("%-28s passed in %v\n", name, took.Round(100*time.Millisecond))
		}
	}
	for _, c := range clients {
		if !wanted.MatchString(c.name) {
			continue
		}
		w := workplace{cache: filepath.Join(home, "obidos-e2e", c.name), sources: filepath.Join("test", "e2e")}
		if w.sources, err = filepath.Abs(w.sources); err != nil {
			return err
		}
		if err := os.MkdirAll(w.cache, 0o755); err != nil {
			return err
		}
		begin := time.Now()
		err := c.play(ctx, obidos, w)
		tell(c.name, time.Since(begin), err)
	}
	if err := playHomes(ctx, wanted, tell); err != nil {
		return err
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, len(failed), skipped)
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	if passed == 0 {
		return errors.New("no client ran")
	}
	return nil
}

// workplace is where a client is installed and where its scenario is.
type workplace struct{ cache, sources string }

// server is a running obidos with a data directory of its own.
type server struct {
	url string
	cmd *exec.Cmd
	dir string
	log *os.File
}

func startServer(ctx context.Context, obidos string, flags ...string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	dir, err := os.MkdirTemp("", "obidos-e2e-")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + address, dir: dir, log: log}
	s.cmd = exec.Command(obidos, append([]string{"start", "--listen", address, "--data", filepath.Join(dir, "data")}, flags...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	wait := exec.CommandContext(ctx, obidos, "wait", "--listen", address)
	if out, err := wait.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("obidos did not start: %w: %s", err, out), s.stop())
	}
	return s, nil
}

// stop ends the server, which must go quietly, and removes what it kept.
func (s *server) stop() error {
	defer os.RemoveAll(s.dir)
	defer s.log.Close()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			text, _ := os.ReadFile(s.log.Name())
			return fmt.Errorf("obidos ended badly: %w\n%s", err, text)
		}
		return nil
	case <-time.After(10 * time.Second):
		s.cmd.Process.Kill()
		return errors.Join(errors.New("obidos did not stop within 10 s"), <-done)
	}
}

// client is one AWS client: how to install it, and how to have it play the scenario.
type client struct {
	name    string
	install func(ctx context.Context, w workplace) error
	command func(w workplace, url, tag string) *exec.Cmd
	iam     bool // as root of an obidos that verifies and authorizes
}

// The root's key of an obidos that verifies and authorizes.
const rootKey, rootSecret = "AKIAE2EROOTE2EROOTE2", "a secret that everybody may know"

func (c client) play(ctx context.Context, obidos string, w workplace) (err error) {
	if err := c.install(ctx, w); err != nil {
		return err
	}
	var flags []string
	key, secret := "test", "test"
	if c.iam {
		flags, key, secret = []string{"--auth=iam", "--root-access-key=" + rootKey, "--root-secret=" + rootSecret}, rootKey, rootSecret
	}
	s, err := startServer(ctx, obidos, flags...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := c.command(w, s.url, c.name)
	stopped := context.AfterFunc(ctx, func() {
		if cmd.Process != nil {
			cmd.Process.Kill()
		}
	})
	defer stopped()
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+s.url, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY="+secret, "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1,localhost")
	cmd.Env = append(cmd.Env, c.env(w)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

func (c client) env(w workplace) []string {
	return []string{"PATH=" + filepath.Join(w.cache, "venv", "bin") + string(os.PathListSeparator) + os.Getenv("PATH")}
}
