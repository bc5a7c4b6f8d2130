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
)

// companions are what the full image adds for functions and init hooks.
var companions = []string{"ca-certificates", "python3", "python3-boto3", "nodejs", "default-jre-headless", "awscli", "curl", "jq"}

// pointedCLI stands before Debian's AWS CLI, which is older than the variable that hooks and users point clients with.
const pointedCLI = `#!/bin/sh
exec /usr/bin/aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"
`

// debian is the layer below obidos in the full image: a Debian of the release the machine's apt names, with its updates.
func (b *build) debian(ctx context.Context, a *archive) (tree, []deb, error) {
	if os.Getuid() != 0 {
		return nil, nil, errors.New("the full image is made by debootstrap, which needs root")
	}
	if a.arch != debianArch() {
		return nil, nil, fmt.Errorf("the full image is made by running Debian's own install scripts, so make it on a linux/%s machine", a.arch)
	}
	for _, tool := range []string{"debootstrap", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			if err := said(exec.CommandContext(ctx, "apt-get", "install", "-y", "--no-install-recommends", "debootstrap", "util-linux")); err != nil {
				return nil, nil, err
			}
		}
	}
	site, release, err := a.mirror(ctx)
	if err != nil {
		return nil, nil, err
	}
	root, err := filepath.Abs(filepath.Join(b.out, "bin", "root"))
	if err != nil {
		return nil, nil, err
	}
	if err := os.RemoveAll(root); err != nil {
		return nil, nil, err
	}
	if err := said(exec.CommandContext(ctx, "debootstrap", "--variant=minbase", release, root, site)); err != nil {
		return nil, nil, err
	}
	// A namespace of its own, so that whatever happens no mount is left behind.
	script := `set -e
mount -t proc proc "$1/proc"
cp /etc/resolv.conf "$1/etc/resolv.conf"
rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d
cp -r /etc/apt/sources.list.d "$1/etc/apt/"
[ ! -e /etc/apt/sources.list ] || cp /etc/apt/sources.list "$1/etc/apt/"
cp -rn /usr/share/keyrings/. "$1/usr/share/keyrings/"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
apt="chroot $1 apt-get -q -y -o APT::Sandbox::User="
$apt update
$apt dist-upgrade
shift_root="$1"; shift
$apt install --no-install-recommends "$@"
$apt clean
chroot "$shift_root" dpkg-query -W -f '${Package} ${Version}\n' "$@"`
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", root}, companions...)...)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("install %s: %w\n%s%s", strings.Join(companions, " "), err, out, log.String())
	}
	var debs []deb
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 2 && strings.Contains(strings.Join(companions, " "), f[0]) {
			debs = append(debs, deb{name: f[0], version: f[1]})
		}
	}
	t := tree{}
	if err := t.below(root, passing); err != nil {
		return nil, nil, err
	}
	for name, line := range map[string]string{"etc/passwd": passwdLine, "etc/group": groupLine} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, nil, err
		}
		t.file(name, 0o644, append(text, line...))
	}
	return t, debs, nil
}

// passing is what a Debian holds only of the machine or the hour it was made on.
func passing(name string) bool {
	switch filepath.Dir(name) {
	case "dev", "proc", "sys", "run", "tmp", "var/tmp", "var/cache", "var/lib/apt/lists", "var/cache/apt", "var/log":
		return true
	}
	switch name {
	case "etc/machine-id", "etc/resolv.conf", "etc/hostname", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-",
		"etc/apt/sources.list", "etc/apt/sources.list.d", "var/lib/dpkg/status-old", "var/lib/dpkg/diversions-old", "var/lib/dpkg/statoverride-old",
		"var/cache/ldconfig", "var/lib/apt/extended_states", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian":
		return true
	}
	if strings.HasPrefix(name, "usr/share/doc/") && !strings.HasSuffix(name, "/copyright") {
		return strings.Count(name, "/") > 3 || strings.Contains(filepath.Base(name), ".")
	}
	return strings.HasSuffix(name, ".pyc") || filepath.Base(name) == "__pycache__"
}

func drain(r io.ReadCloser) (int64, error) {
	n, err := io.Copy(io.Discard, r)
	return n, errors.Join(err, r.Close())
}
