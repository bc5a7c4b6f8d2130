package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// maxLog is how large the log of a detached obidos may have grown before the next start puts it aside.
const maxLog = 16 << 20

// startDetached runs the same command in the background and returns when it is ready.
func startDetached(c *cobra.Command, cfg *config) error {
	if strings.HasSuffix(cfg.listen, ":0") && cfg.memory {
		return errors.New("--detach --memory needs a port that can be named later, not 0")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := openLog(cfg)
	if err != nil {
		return err
	}
	defer log.Close()
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	cmd := exec.Command(self, append([]string{"start"}, flagsAgain(c)...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = detached()
	if err := cmd.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), time.Minute)
	defer cancel()
	ended := make(chan struct{})
	go func() { // ends with the child, or with this program a moment from now
		defer close(ended)
		_ = cmd.Wait() // its log says why
		cancel()
	}()
	// What answers may be another obidos, until ours has found out that it is in its way and ended.
	for {
		r := running{config: *cfg}
		h, err := r.awaitReady(ctx)
		if err == nil && h.PID == cmd.Process.Pid {
			fmt.Fprintf(c.OutOrStdout(), "obidos %s is ready at %s (process %d, log in %s)\n", version, r.url(), h.PID, log.Name())
			return nil
		}
		if err != nil {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	_ = cmd.Process.Kill() // it may have ended
	<-ended
	text, _ := os.ReadFile(log.Name())
	return fmt.Errorf("it did not start:\n%s", strings.TrimSpace(string(text[min(int(before), len(text)):])))
}

// openLog is where a detached obidos writes: in its data directory, if it has one.
func openLog(cfg *config) (*os.File, error) {
	path := filepath.Join(os.TempDir(), "obidos-"+strings.NewReplacer(":", "-", "[", "", "]", "").Replace(cfg.listen)+".log")
	if !cfg.memory {
		if err := os.MkdirAll(cfg.data, 0o700); err != nil {
			return nil, err
		}
		path = filepath.Join(cfg.data, "obidos.log")
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// flagsAgain are the flags a command was given, but for --detach.
func flagsAgain(c *cobra.Command) []string {
	var args []string
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Name == "detach" {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			args = append(args, "--"+f.Name+"="+v)
		}
	})
	return args
}
