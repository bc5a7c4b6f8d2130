package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// compose runs docker compose, as the plugin or as the program it was, on a file in a directory of its own.
func (s *site) compose(ctx context.Context, file string, args ...string) error {
	words := []string{"docker", "compose"}
	if exec.CommandContext(ctx, "docker", "compose", "version").Run() != nil {
		if err := installed(ctx, "docker-compose", "docker-compose"); err != nil {
			return err
		}
		words = []string{"docker-compose"}
	}
	words = append(words, "-p", fmt.Sprintf("obidos-e2e-%d", os.Getpid()), "-f", file)
	_, err := s.output(ctx, filepath.Dir(file), nil, append(words, args...)...)
	return err
}

// inCompose plays a file: it is copied, since volumes beside it are written to, and taken down whatever happens.
func (s *site) inCompose(ctx context.Context, name string, play func(file string) error) (err error) {
	dir, err := os.MkdirTemp("", "obidos-e2e-compose-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "docker-compose.yml")
	if err := copyFile(file, filepath.Join(s.sources, name)); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, s.compose(context.WithoutCancel(ctx), file, "down", "-v", "-t", "10"))
	}()
	return play(file)
}

// composeNeighbour is an application beside obidos that calls it by the name of its service.
func composeNeighbour(ctx context.Context, s *site) error {
	return s.inCompose(ctx, "neighbour.yml", func(file string) error {
		return s.compose(ctx, file, "up", "--exit-code-from", "application")
	})
}

// localstackCompose is the file of LocalStack's documentation.
func localstackCompose(ctx context.Context, s *site) error {
	for _, address := range []string{"127.0.0.1:4566", "127.0.0.1:4510"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return errMissing{"a free " + address + ", which the file names,"}
		}
		l.Close()
	}
	return s.inCompose(ctx, "localstack.yml", func(file string) error {
		if err := s.compose(ctx, file, "up", "-d"); err != nil {
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
