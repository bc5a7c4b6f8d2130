package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// composition is a compose file that is played, under a name of its own.
type composition struct {
	site *site
	file string
	env  []string
}

// run runs docker compose, as the plugin or as the program it was.
func (c composition) run(ctx context.Context, args ...string) error {
	words, err := c.words(ctx)
	if err != nil {
		return err
	}
	_, err = c.site.output(ctx, filepath.Dir(c.file), c.env, append(words, args...)...)
	return err
}

func (c composition) words(ctx context.Context) ([]string, error) {
	words := []string{"docker", "compose"}
	if exec.CommandContext(ctx, "docker", "compose", "version").Run() != nil {
		if err := installed(ctx, "docker-compose", "docker-compose"); err != nil {
			return nil, err
		}
		words = []string{"docker-compose"}
	}
	return append(words, "-p", fmt.Sprintf("obidos-e2e-%d", os.Getpid()), "-f", c.file), nil
}

// healthy waits for a service's container to be healthy.
func (c composition) healthy(ctx context.Context, service string) error {
	words, err := c.words(ctx)
	if err != nil {
		return err
	}
	id, err := c.site.output(ctx, filepath.Dir(c.file), c.env, append(words, "ps", "-q", service)...)
	if err != nil {
		return err
	}
	return c.site.healthy(ctx, id)
}

// inCompose plays the file of a directory, which is copied, since volumes beside it are written to, and taken down whatever happens.
func (s *site) inCompose(ctx context.Context, from string, env []string, play func(up composition) error) (err error) {
	dir, err := os.MkdirTemp("", "obidos-e2e-compose-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	info, err := os.Stat(from)
	switch {
	case err != nil:
	case info.IsDir():
		err = os.CopyFS(dir, os.DirFS(from))
	default:
		err = copyFile(filepath.Join(dir, "docker-compose.yml"), from)
	}
	if err != nil {
		return err
	}
	up := composition{s, filepath.Join(dir, "docker-compose.yml"), env}
	defer func() {
		err = errors.Join(err, up.run(context.WithoutCancel(ctx), "down", "-v", "-t", "10"))
	}()
	return play(up)
}

// portFree leaves a home out where a port that its file names is taken.
func portFree(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return errMissing{"a free " + address + ", which the file names,"}
	}
	return l.Close()
}

// freePort is a port of the loopback that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// composeNeighbour is an application beside obidos that calls it by the name of its service.
func composeNeighbour(ctx context.Context, s *site) error {
	return s.inCompose(ctx, filepath.Join(s.sources, "neighbour.yml"), nil, func(up composition) error {
		return up.run(ctx, "up", "--exit-code-from", "application")
	})
}

// localstackCompose is the file of LocalStack's documentation.
func localstackCompose(ctx context.Context, s *site) error {
	for _, address := range []string{"127.0.0.1:4566", "127.0.0.1:4510"} {
		if err := portFree(address); err != nil {
			return err
		}
	}
	const socket = "/var/run/docker.sock" // which the file mounts: where there is none, Docker makes a directory of that name
	if _, err := os.Stat(socket); errors.Is(err, fs.ErrNotExist) {
		defer os.Remove(socket)
	}
	return s.inCompose(ctx, filepath.Join(s.sources, "localstack.yml"), nil, func(up composition) error {
		if err := up.run(ctx, "up", "-d"); err != nil {
			return err
		}
		if err := s.healthy(ctx, "localstack-main"); err != nil {
			return err
		}
		if err := ask(ctx, "http://localhost:4566/_localstack/health"); err != nil {
			return err
		}
		for _, host := range []string{"http://localhost:4566", "http://127.0.0.1:4566"} {
			if err := s.scenarioAt(ctx, host, "ls"); err != nil {
				return err
			}
		}
		return nil
	})
}
