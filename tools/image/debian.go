package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// debianArch is Debian's name of this machine's architecture.
func debianArch() string { return runtime.GOARCH } // amd64 and arm64 are called the same

// archive is apt with a state of its own for one architecture: it reads the machine's sources and keys, and changes nothing
// of the machine.
type archive struct {
	arch string
	dir  string
}

// aptError is that the machine's package sources do not give what is asked for.
type aptError struct{ error }

func (e *aptError) Unwrap() error { return e.error }

// deb is a package that was fetched and checked.
type deb struct {
	name, version string
	path          string
}

func (b *build) archive(ctx context.Context, arch string) (*archive, error) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, &aptError{errors.New("apt-get is not on this machine: the image's shell and certificates are Debian's packages, so this needs Debian or Ubuntu, or a container of them")}
	}
	a := &archive{arch: arch, dir: filepath.Join(b.cache, arch)}
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "debs"} {
		if err := os.MkdirAll(filepath.Join(a.dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(a.dir, "status"), nil, 0o644); err != nil { // nothing is installed
		return nil, err
	}
	if out, err := a.apt(ctx, "apt-get", "update"); err != nil {
		return nil, &aptError{fmt.Errorf("ask the machine's apt sources for %s packages: %w\n%s", arch, err, out)}
	}
	return a, nil
}

func (a *archive) apt(ctx context.Context, program string, args ...string) (string, error) {
	options := []string{
		"-q", "-o", "Dir::State=" + filepath.Join(a.dir, "state"), "-o", "Dir::State::status=" + filepath.Join(a.dir, "status"),
		"-o", "Dir::Cache=" + filepath.Join(a.dir, "cache"), "-o", "APT::Architecture=" + a.arch, "-o", "APT::Architectures=" + a.arch,
		"-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none", "-o", "APT::Get::List-Cleanup=false",
	}
	cmd := exec.CommandContext(ctx, program, append(options, args...)...)
	cmd.Dir = filepath.Join(a.dir, "debs")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return complaint.String(), err
	}
	return string(out), nil
}

// fetch gets the newest version of a package the sources have, and holds it to the index they signed.
func (a *archive) fetch(ctx context.Context, name string) (deb, error) {
	show, err := a.apt(ctx, "apt-cache", "show", "--no-all-versions", name)
	if err != nil {
		return deb{}, &aptError{fmt.Errorf("the machine's apt sources have no %s for %s (on Ubuntu those of other architectures are a source of their own): %w\n%s", name, a.arch, err, show)}
	}
	fields := map[string]string{}
	for line := range strings.Lines(show) {
		if key, value, ok := strings.Cut(line, ": "); ok && fields[key] == "" && line[0] != ' ' {
			fields[key] = strings.TrimSpace(value)
		}
	}
	d := deb{name: name, version: fields["Version"]}
	// As apt names it: the version's colon is escaped.
	d.path = filepath.Join(a.dir, "debs", fmt.Sprintf("%s_%s_%s.deb", name, strings.ReplaceAll(url.PathEscape(d.version), ":", "%3a"), fields["Architecture"]))
	if sum, err := checksum(d.path); err == nil && sum == fields["SHA256"] {
		return d, nil
	}
	if out, err := a.apt(ctx, "apt-get", "download", name+"="+d.version); err != nil {
		return deb{}, fmt.Errorf("download %s: %w\n%s", name, err, out)
	}
	sum, err := checksum(d.path)
	if err != nil {
		return deb{}, err
	}
	if sum != fields["SHA256"] {
		return deb{}, errors.Join(fmt.Errorf("%s has the checksum %s, the signed index says %s", d.path, sum, fields["SHA256"]), os.Remove(d.path))
	}
	return d, nil
}

func checksum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// files calls see for each regular file of the package.
func (d deb) files(ctx context.Context, see func(path string, mode int64, contents []byte) error) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", d.path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	read := func() error {
		r := tar.NewReader(out)
		for {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				_, err := io.Copy(io.Discard, out) // padding, for dpkg-deb to end in peace
				return err
			}
			if err != nil {
				return err
			}
			if h.Typeflag != tar.TypeReg {
				continue
			}
			contents, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			if err := see(strings.TrimPrefix(h.Name, "./"), h.Mode, contents); err != nil {
				return err
			}
		}
	}
	err = read()
	if err != nil {
		cmd.Process.Kill()
	}
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = ended
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", d.path, err)
	}
	return nil
}

// mirror is where the machine gets its Debian from, and which release that is.
func (a *archive) mirror(ctx context.Context) (site, release string, err error) {
	out, err := a.apt(ctx, "apt-get", "indextargets", "--format", "$(SITE)\t$(REPO_URI)\t$(CODENAME)\t$(COMPONENT)", "Created-By: Packages", "Component: main")
	if err != nil {
		return "", "", fmt.Errorf("ask apt for its sources: %w\n%s", err, out)
	}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) == 4 && f[2] != "" && !strings.ContainsAny(f[2], "-/") { // the release itself, not its updates
			return f[1], f[2], nil
		}
	}
	return "", "", errors.New("the machine's apt sources name no release of Debian")
}
