// Command image writes obidos' container images, without Docker and without root: an OCI layout for all platforms, and for
// each platform an archive that `docker load` reads. What is in an image beside obidos comes from Debian's packages, by the
// machine's own apt (its sources, its keys, its proxies); this program checks each package against the signed index once
// more. The same sources, packages and version give the same digest, byte for byte.
//
//	go run -C tools/image . [-full] [-platforms linux/amd64,linux/arm64] [-out ../../dist/image] [-push name:tag]
//
// With -full the image is a Debian of its own (debootstrap, which needs root) with Python, Node.js, Java and the AWS CLI, for
// this machine's architecture. Debian's install scripts write the hour into some files: of this one only the packages are the same.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	var b build
	flag.BoolVar(&b.full, "full", false, "with Python, Node.js, Java and the AWS CLI (needs root and debootstrap)")
	platforms := flag.String("platforms", "", "comma-separated list (default linux/amd64,linux/arm64; with -full this machine's)")
	flag.StringVar(&b.source, "source", filepath.Join("..", ".."), "obidos' own sources")
	flag.StringVar(&b.out, "out", filepath.Join("..", "..", "dist", "image"), "directory to write to")
	flag.StringVar(&b.version, "version", "", "version to build (default: what git describes)")
	flag.StringVar(&b.repository, "name", "obidos", "the image's name")
	flag.StringVar(&b.push, "push", "", "also push to this reference, with the credentials of `docker login`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := b.run(ctx, *platforms); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// build is one run: what is asked for, and what all its platforms share.
type build struct {
	full       bool
	source     string
	out        string
	version    string
	repository string
	push       string

	revision string
	created  time.Time // of every file and of the image
	cache    string
}

// tag tells the kinds of image apart.
func (b *build) tag() string {
	if b.full {
		return "full"
	}
	return "latest"
}

func (b *build) run(ctx context.Context, platforms string) error {
	switch {
	case platforms != "":
	case b.full:
		platforms = "linux/" + debianArch()
	default:
		platforms = "linux/amd64,linux/arm64"
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	var images []platformImage
	for p := range strings.SplitSeq(platforms, ",") {
		system, arch, ok := strings.Cut(p, "/")
		if !ok || system != "linux" || arch != "amd64" && arch != "arm64" {
			return fmt.Errorf("platform %q is none of linux/amd64 and linux/arm64", p)
		}
		i, err := b.assemble(ctx, arch)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		images = append(images, i)
	}
	return b.write(ctx, images)
}

// prepare finds out what the images are made of: the version, the commit and its time.
func (b *build) prepare(ctx context.Context) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	b.cache = filepath.Join(cache, "obidos-image")
	if b.version == "" {
		b.version = "devel"
		if out, err := b.git(ctx, "describe", "--tags", "--always", "--dirty"); err == nil {
			b.version = out
		}
	}
	b.revision, _ = b.git(ctx, "rev-parse", "HEAD") // sources without a history have none
	seconds := os.Getenv("SOURCE_DATE_EPOCH")
	if seconds == "" {
		if seconds, err = b.git(ctx, "log", "-1", "--format=%ct"); err != nil {
			seconds = "0"
		}
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	b.created = time.Unix(n, 0).UTC()
	return nil
}

func (b *build) git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", b.source}, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}

// binary builds obidos for a platform: static, and the same on every machine.
func (b *build) binary(ctx context.Context, arch string) (string, error) {
	path, err := filepath.Abs(filepath.Join(b.out, "bin", "obidos-"+arch))
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+b.version, "-o", path, "./cmd/obidos")
	cmd.Dir = b.source
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOAMD64=v1", "GOFLAGS=")
	return path, said(cmd)
}

// said runs a command and makes what it printed part of its error.
func said(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
