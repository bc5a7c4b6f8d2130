package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// standIn is an image that the files in deploy/ name. Where no registry has it for us, Debian's program of that name takes its
// place in our own image: as far as the file beside it can tell, they are the same.
type standIn struct {
	image    string   // as the file names it
	packages []string // Debian's
	changes  []string // to our image's configuration, in a Dockerfile's words
	files    map[string]string
	dirs     []string // of the user that it runs as
}

// The user of our image; PostgreSQL refuses to run as root.
const standInUser = 10001

var haproxy = standIn{
	image: "haproxy:3.0", packages: []string{"haproxy"},
	changes: []string{`ENTRYPOINT ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]`, "HEALTHCHECK NONE", "CMD []"},
}

var postgres = standIn{
	image: "postgres:17", packages: []string{"postgresql"},
	changes: []string{`ENTRYPOINT ["/usr/local/bin/postgres-in-a-container"]`, "HEALTHCHECK NONE", "CMD []"},
	dirs:    []string{"var/lib/postgresql/data", "var/run/postgresql"},
	files: map[string]string{
		"usr/local/bin/pg_isready": "#!/bin/sh\nexec /usr/lib/postgresql/*/bin/pg_isready \"$@\"\n",
		"usr/local/bin/postgres-in-a-container": `#!/bin/sh
set -e
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
export PGDATA=/var/lib/postgresql/data TZ=UTC LC_ALL=C
chmod 0700 $PGDATA
if [ ! -e $PGDATA/PG_VERSION ]; then
	echo "$POSTGRES_PASSWORD" > /tmp/password
	initdb -U "$POSTGRES_USER" --pwfile /tmp/password -A scram-sha-256 --auth-local trust -E UTF8
	echo "host all all all scram-sha-256" >> $PGDATA/pg_hba.conf
	pg_ctl -w -o "-c listen_addresses=" start
	createdb -U "$POSTGRES_USER" "$POSTGRES_DB"
	pg_ctl -w stop
fi
exec postgres -c "listen_addresses=*"
`,
	},
}

// made is the name of an image of this kind that the daemon has: the real one, or one that is made here.
func (i standIn) made(ctx context.Context, s *site) (string, error) {
	if _, err := s.docker(ctx, "image", "inspect", i.image); err == nil {
		return i.image, nil
	}
	pull, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if _, err := s.docker(pull, "pull", "-q", i.image); err == nil {
		return i.image, nil
	}
	name := "obidos-e2e-" + strings.ReplaceAll(i.image, ":", "-") + ":latest"
	fmt.Printf("%-28s cannot be pulled: Debian's %s stands in for it\n", i.image, strings.Join(i.packages, ", "))
	packages, err := i.fetch(ctx, filepath.Join(s.cache, "debian-"+i.packages[0]))
	if err != nil {
		return "", err
	}
	id, err := s.docker(ctx, "create", "--label", s.label, s.image)
	if err != nil {
		return "", err
	}
	var files bytes.Buffer
	if err := i.write(ctx, &files, packages); err != nil {
		return "", err
	}
	cp := exec.CommandContext(ctx, "docker", "cp", "-", id+":/")
	cp.Env, cp.Stdin = s.env(), &files
	if out, err := cp.CombinedOutput(); err != nil {
		return "", fmt.Errorf("docker cp: %w\n%s", err, out)
	}
	commit := []string{"commit"}
	for _, c := range i.changes {
		commit = append(commit, "--change", c)
	}
	_, err = s.docker(ctx, append(commit, id, name)...)
	return name, err
}

// fetch gets the packages, and all that they need on a machine with nothing on it. Nothing is installed.
func (i standIn) fetch(ctx context.Context, dir string) (packages []string, err error) {
	if err := os.MkdirAll(filepath.Join(dir, "archives", "partial"), 0o755); err != nil {
		return nil, err
	}
	apt := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "apt-get", slices.Concat([]string{
			"-qq", "-y", "--no-install-recommends", "-o", "Dir::State::status=/dev/null", "-o", "Dir::Cache::archives=" + filepath.Join(dir, "archives"),
			"-o", "Debug::NoLocking=true", "-o", "APT::Sandbox::User=", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
		}, args)...)
		out, err := cmd.Output()
		if err != nil {
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				err = fmt.Errorf("%w\n%s", err, exit.Stderr)
			}
			err = fmt.Errorf("apt-get %s: %w", strings.Join(args, " "), err)
		}
		return string(out), err
	}
	list := slices.Concat([]string{"--print-uris", "install"}, i.packages)
	if _, err := apt(list...); err != nil { // the machine may not know its packages yet
		if err := tool(ctx, ".", "apt-get", "update", "-q"); err != nil {
			return nil, errMissing{fmt.Sprintf("%s, and Debian's packages cannot be had (%v)", i.image, err)}
		}
	}
	if _, err := apt(slices.Concat([]string{"--download-only", "install"}, i.packages)...); err != nil {
		return nil, err
	}
	found, err := filepath.Glob(filepath.Join(dir, "archives", "*.deb"))
	return found, err
}

// write writes what is needed of the packages, as tar: programs, libraries and what they read.
func (i standIn) write(ctx context.Context, to io.Writer, packages []string) error {
	out := tar.NewWriter(to)
	for _, dir := range i.dirs {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o700, Uid: standInUser, Gid: standInUser}); err != nil {
			return err
		}
	}
	for name, text := range i.files {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			return err
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	for _, p := range packages {
		if err := copyPackage(ctx, out, p); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return out.Close()
}

// copyPackage copies what is needed of one package.
func copyPackage(ctx context.Context, to *tar.Writer, path string) (err error) {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", path)
	stream, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_, rest := io.Copy(io.Discard, stream) // for dpkg-deb to end in peace
		err = errors.Join(err, rest, cmd.Wait())
	}()
	for in := tar.NewReader(stream); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, needed := inMergedRoot(h.Name)
		if !needed || h.Typeflag == tar.TypeDir {
			continue
		}
		h.Name = name
		if h.Typeflag == tar.TypeLink {
			h.Linkname, _ = inMergedRoot(h.Linkname)
		}
		if err := to.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(to, in); err != nil {
			return err
		}
	}
}

// inMergedRoot is where a package's file is in a root file system whose /lib is /usr/lib, and whether a stand-in needs it.
func inMergedRoot(name string) (_ string, needed bool) {
	name = strings.TrimPrefix(name, "./")
	if strings.HasPrefix(name, "lib/") {
		name = "usr/" + name
	}
	base := filepath.Base(name)
	switch {
	case strings.Contains(base, "LLVM"), strings.HasPrefix(base, "llvmjit"), strings.Contains(name, "/perl"):
		return name, false
	case strings.HasPrefix(name, "usr/lib/postgresql/"), strings.HasPrefix(name, "usr/share/postgresql/"), name == "usr/sbin/haproxy", strings.HasPrefix(base, "ld-linux"):
		return name, true
	}
	return name, strings.HasPrefix(name, "usr/lib/") && strings.Contains(name, "-linux-gnu/") && strings.Contains(base, ".so")
}
