package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// platformImage is the image of one architecture.
type platformImage struct {
	arch  string
	image v1.Image
}

// assemble makes the image of one architecture.
func (b *build) assemble(ctx context.Context, arch string) (platformImage, error) {
	none := platformImage{}
	if err := os.MkdirAll(filepath.Join(b.out, "bin"), 0o755); err != nil {
		return none, err
	}
	a, err := b.archive(ctx, arch)
	if err != nil {
		return none, err
	}
	bottom := b.base
	if b.full {
		bottom = b.debian
	}
	program, err := b.program(ctx, arch)
	if err != nil {
		return none, err
	}
	base, debs, err := bottom(ctx, a) // after what is sooner known to fail
	if err != nil {
		return none, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for i, t := range []tree{base, program} {
		says := []string{"Debian's packages, checked against their signed index", "obidos " + b.version}[i]
		layer, err := t.layer(filepath.Join(b.out, "bin", fmt.Sprintf("layer-%s-%d.tar.gz", arch, i)), b.created)
		if err != nil {
			return none, err
		}
		image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: b.created}, CreatedBy: says}})
		if err != nil {
			return none, err
		}
	}
	if image, err = mutate.ConfigFile(image, b.config(image, arch, debs)); err != nil {
		return none, err
	}
	image, err = impatient(image)
	return platformImage{arch, image}, err
}

// config says how the image is run.
func (b *build) config(image v1.Image, arch string, debs []deb) *v1.ConfigFile {
	made, err := image.ConfigFile()
	if err != nil {
		panic(err) // it is in memory
	}
	c := made.DeepCopy()
	c.Architecture, c.OS, c.Created = arch, "linux", v1.Time{Time: b.created}
	versions := make([]string, 0, len(debs))
	for _, d := range debs {
		versions = append(versions, d.name+"="+d.version)
	}
	c.Config = v1.Config{
		User:         user,
		ExposedPorts: map[string]struct{}{"4566/tcp": {}},
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"HOME=/tmp",             // whichever user it runs as
			"OBIDOS_CONTAINER=true", // for commands that are run beside it: docker exec, the health check
		},
		Entrypoint: []string{entrypoint},
		Volumes:    map[string]struct{}{state: {}},
		WorkingDir: "/",
		Healthcheck: &v1.HealthConfig{
			Test:        []string{"CMD", "/usr/local/bin/obidos", "health"},
			Interval:    5 * time.Second,
			Timeout:     5 * time.Second,
			StartPeriod: 10 * time.Second,
			Retries:     3,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":       "obidos",
			"org.opencontainers.image.description": "Your own serverless cloud: the AWS APIs in one binary",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.version":     b.version,
			"org.opencontainers.image.revision":    b.revision,
			"org.opencontainers.image.created":     b.created.Format(time.RFC3339),
			"org.opencontainers.image.source":      "https://github.com/obidos-cloud/obidos",
			"debian.packages":                      strings.Join(versions, " "),
		},
	}
	return c
}

// write puts the images into the output directory, and says what there is and how large.
func (b *build) write(ctx context.Context, images []platformImage) error {
	kind := b.repository + "-" + b.tag()
	oci := filepath.Join(b.out, kind+"-oci")
	if err := os.RemoveAll(oci); err != nil {
		return err
	}
	tag, err := name.NewTag(b.repository + ":" + b.tag())
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range images {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: p.image, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: p.arch},
		}})
		file := filepath.Join(b.out, kind+"-"+p.arch+".tar")
		if err := tarball.WriteToFile(file, tag, p.image); err != nil {
			return err
		}
		if err := report(file, p); err != nil {
			return err
		}
	}
	outer := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: index, Descriptor: v1.Descriptor{
		Annotations: map[string]string{"org.opencontainers.image.ref.name": b.tag()},
	}})
	if _, err := layout.Write(oci, outer); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s  OCI layout, %s, version %s\n", oci, digest, b.version)
	if err := os.RemoveAll(filepath.Join(b.out, "bin")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if b.push == "" {
		return nil
	}
	ref, err := name.ParseReference(b.push)
	if err != nil {
		return err
	}
	if err := remote.WriteIndex(ref, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	fmt.Println("pushed", ref)
	return nil
}

// entrypoint is obidos by the name that LocalStack's image has for its own, and others' tools call: by that name it starts as
// a container's own process, or runs the command it is given.
const entrypoint = "/usr/local/bin/docker-entrypoint.sh"

// report says how large an image is: what is downloaded, and what lies on the disk of who runs it.
func report(file string, p platformImage) error {
	layers, err := p.image.Layers()
	if err != nil {
		return err
	}
	var packed, unpacked int64
	for _, l := range layers {
		size, sizeErr := l.Size()
		r, err := l.Uncompressed()
		if err = cmp.Or(sizeErr, err); err != nil {
			return err
		}
		n, err := drain(r)
		if err != nil {
			return err
		}
		packed, unpacked = packed+size, unpacked+n
	}
	digest, err := p.image.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("%s  linux/%s, %s, %.1f MiB to download, %.1f MiB unpacked\n", file, p.arch, digest, mib(packed), mib(unpacked))
	return nil
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
