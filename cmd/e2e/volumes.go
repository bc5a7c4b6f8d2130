package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// localstackVolumes are what LocalStack's users mount: hooks, and a directory for the state. Docker makes one that is not there as
// root's, and the image's user is another.
func localstackVolumes(ctx context.Context, s *site) (err error) {
	dir, err := os.MkdirTemp("", "obidos-e2e-volume-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	state, hooks := filepath.Join(dir, "state"), filepath.Join(dir, "ready.d")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(state, 0o755), os.Mkdir(hooks, 0o755)); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"a.sh": "#!/bin/bash\nawslocal sqs create-queue --queue-name made\nexit 3\n",
		"b.py": "print('there is a Python')\n",
		"c.sh": "echo the third\n",
	} {
		if err := os.WriteFile(filepath.Join(hooks, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	mounts := []string{"-e", "PERSISTENCE=1", "-p", "127.0.0.1::4566", "-v", state + ":/var/lib/localstack", "-v", hooks + ":/etc/localstack/init/ready.d:ro"}

	id, err := s.run(ctx, append(mounts, s.image)...)
	if err != nil {
		return err
	}
	if exit, err := s.docker(ctx, "wait", id); err != nil || exit == "0" {
		return errors.Join(err, fmt.Errorf("it ended with status %s where it cannot keep its state", exit))
	}
	if err := s.says(ctx, id, "/var/lib/localstack", "user 10001", "chown -R 10001", "--user"); err != nil {
		return err
	}

	owner := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	if id, err = s.run(ctx, append(mounts, "--user", owner, s.image)...); err != nil {
		return err
	}
	if err := s.healthy(ctx, id); err != nil {
		return err
	}
	if err := s.says(ctx, id, "there is no Python here", "the third", "Ready."); err != nil {
		return err
	}
	stage, err := s.docker(ctx, "exec", id, "wget", "-q", "-O", "-", "http://127.0.0.1:4566/_localstack/init/ready")
	if err != nil {
		return err
	}
	want := `{"completed": true, "scripts": [{"stage": "READY", "name": "a.sh", "state": "ERROR"}, {"stage": "READY", "name": "b.py", "state": "ERROR"}, ` +
		`{"stage": "READY", "name": "c.sh", "state": "SUCCESSFUL"}]}`
	if stage != want {
		return fmt.Errorf("/_localstack/init/ready is %s", stage)
	}
	url, err := s.published(ctx, id)
	if err != nil {
		return err
	}
	if err := ask(ctx, url+"/?Action=GetQueueUrl&QueueName=made&Version=2012-11-05"); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(state, "obidos")); err != nil {
		return err
	}
	_, err = s.docker(ctx, "stop", id)
	return err
}
