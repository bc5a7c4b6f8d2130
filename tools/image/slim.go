package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// applets are the commands that busybox answers to: what scripts of init hooks and health checks use.
var applets = strings.Fields(`[ [[ ash awk base64 basename bunzip2 bzcat cat chgrp chmod chown clear cmp cp cut date dd df diff dirname du
	echo ed egrep env expand expr factor false fgrep find fold getopt grep groups gunzip gzip head hexdump hostid hostname id
	kill killall less link ln ls md5sum mkdir mkfifo mktemp more mount mv nc netstat nl nproc nslookup od paste patch pidof
	ping printf ps pwd readlink realpath rev rm rmdir run-parts sed seq setsid sh sha1sum sha256sum sha512sum shuf sleep sort
	stat strings stty sync tac tail tar tee telnet test time timeout top touch tr traceroute true truncate tty uname unexpand
	uniq unlink unxz unzip uptime usleep vi watch wc wget which whoami xargs xxd xz xzcat yes zcat`)

// base is the layer below obidos: a shell, certificates and the usual directories.
func (b *build) base(ctx context.Context, a *archive) (tree, []deb, error) {
	t := tree{}
	for _, dir := range []string{"bin", "sbin", "lib"} {
		t.dir("usr/"+dir, 0o755)
		t.link(dir, "usr/"+dir)
	}
	for _, dir := range []string{"dev", "proc", "sys", "run", "etc", "var/log", "root", "mnt"} {
		t.dir(dir, 0o755)
	}
	t.dir("tmp", 0o1777)
	t.dir("var/tmp", 0o1777)
	t.file("etc/nsswitch.conf", 0o644, []byte("passwd: files\ngroup: files\nhosts: files dns\n"))
	t.file("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\n"+passwdLine))
	t.file("etc/group", 0o644, []byte("root:x:0:\n"+groupLine))
	t.file("etc/os-release", 0o644, []byte("NAME=obidos\nID=obidos\nPRETTY_NAME=\"obidos\"\n"))

	var debs []deb
	var bundle bytes.Buffer
	for name, keep := range map[string]func(path string, mode int64, contents []byte){
		"busybox-static": func(path string, mode int64, contents []byte) {
			if strings.HasSuffix(path, "bin/busybox") {
				t.file("usr/bin/busybox", 0o755, contents)
			}
		},
		"bash-static": func(path string, mode int64, contents []byte) {
			if strings.HasSuffix(path, "bin/bash-static") {
				t.file("usr/bin/bash", 0o755, contents)
			}
		},
		"ca-certificates": func(path string, mode int64, contents []byte) {
			if strings.HasSuffix(path, ".crt") { // in the archive's order, which is the alphabet's
				bundle.Write(bytes.TrimSpace(contents))
				bundle.WriteByte('\n')
			}
		},
	} {
		d, err := a.fetch(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		err = d.files(ctx, func(path string, mode int64, contents []byte) error {
			keep(path, mode, contents)
			if path == "usr/share/doc/"+name+"/copyright" {
				t.file(path, 0o644, contents)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		debs = append(debs, d)
	}
	for _, want := range []string{"usr/bin/busybox", "usr/bin/bash"} {
		if _, ok := t[want]; !ok {
			return nil, nil, fmt.Errorf("no package brought %s", want)
		}
	}
	if bundle.Len() == 0 {
		return nil, nil, fmt.Errorf("ca-certificates brought none")
	}
	for _, name := range applets {
		t.link("usr/bin/"+name, "busybox")
	}
	t.file("etc/ssl/certs/ca-certificates.crt", 0o644, bundle.Bytes())
	t.link("etc/ssl/cert.pem", "certs/ca-certificates.crt")
	slices.SortFunc(debs, func(a, b deb) int { return strings.Compare(a.name, b.name) })
	return t, debs, nil
}

// The user that obidos runs as. Any other serves as well: the directories that are written to are everybody's.
const (
	user       = "10001:10001"
	passwdLine = "obidos:x:10001:10001:obidos:/var/lib/obidos:/bin/sh\n"
	groupLine  = "obidos:x:10001:\n"
)

// state is where obidos keeps in a container what must last: the volume.
const state = "/var/lib/obidos"

// program is the layer with obidos itself.
func (b *build) program(ctx context.Context, arch string) (tree, error) {
	path, err := b.binary(ctx, arch)
	if err != nil {
		return nil, err
	}
	t := tree{}
	if err := t.copy("usr/local/bin/obidos", 0o755, path); err != nil {
		return nil, err
	}
	t.link("usr/local/bin/awslocal", "obidos") // it goes by the name it is called by
	t.link(entrypoint, "obidos")
	if b.full {
		t.file("usr/local/bin/aws", 0o755, []byte(pointedCLI))
	}
	t.dir(state, 0o1777)
	t.dir("var/lib/localstack", 0o1777)
	for _, stage := range []string{"boot", "start", "ready", "shutdown"} {
		t.dir("etc/localstack/init/"+stage+".d", 0o755)
	}
	for _, name := range []string{"LICENSE", "NOTICE"} {
		text, err := os.ReadFile(filepath.Join(b.source, name))
		if err != nil {
			return nil, err
		}
		t.file("usr/share/doc/obidos/"+name, 0o644, text)
	}
	return t, nil
}
