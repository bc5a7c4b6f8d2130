package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// withoutReaper spares Testcontainers the container that cleans up after a test that was killed: it is an image of its own, to be
// had only from a registry.
const withoutReaper = "TESTCONTAINERS_RYUK_DISABLED=true"

// onThisMachine says where the daemon's ports are, which Testcontainers gets wrong where it is in a container itself.
const onThisMachine = "TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1"

// testcontainersPython starts a generic container, and the LocalStack module as it is with our image.
func testcontainersPython(ctx context.Context, s *site) error {
	w := workplace{cache: filepath.Join(s.cache, "python"), sources: s.sources}
	if err := os.MkdirAll(w.cache, 0o755); err != nil {
		return err
	}
	if err := python("testcontainers==4.15.0", "boto3")(ctx, w); err != nil {
		return err
	}
	_, err := s.output(ctx, w.cache, []string{withoutReaper}, filepath.Join(w.cache, "venv", "bin", "python"), filepath.Join(s.sources, "python", "homes.py"))
	return err
}

// testcontainersJava does the same from Java. The second generation of Testcontainers has its LocalStack module by another name.
func testcontainersJava(artifact, version string) func(ctx context.Context, s *site) error {
	return func(ctx context.Context, s *site) error {
		return s.maven(ctx, filepath.Join(s.sources, "java"), "-Dlocalstack.artifact="+artifact, "-Dtestcontainers.version="+version)
	}
}

// contribJava tests the module in contrib.
func contribJava(ctx context.Context, s *site) error {
	return s.maven(ctx, filepath.Join(s.root, "contrib", "testcontainers-java"))
}

// maven runs the tests in a copy of a project, so that nothing is left beside its sources.
func (s *site) maven(ctx context.Context, project string, properties ...string) (err error) {
	dir := filepath.Join(s.cache, "maven-"+filepath.Base(project))
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(project))); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := installed(ctx, "mvn", "maven"); err != nil {
		return err
	}
	// Testcontainers speaks one version of the Engine's interface, and Debian's engine is older than that.
	api, err := s.docker(ctx, "version", "--format", "{{.Server.APIVersion}}")
	if err != nil {
		return err
	}
	// What it would find out in a container of an image from a registry: whether the daemon is well.
	env := []string{withoutReaper, onThisMachine, "TESTCONTAINERS_CHECKS_DISABLE=true"}
	_, err = s.output(ctx, dir, env, slices.Concat([]string{"mvn", "-q", "-B", "-ntp", "test", "-Dapi.version=" + api}, properties)...)
	return err
}

// contribGo tests the module in contrib.
func contribGo(ctx context.Context, s *site) error {
	_, err := s.output(ctx, filepath.Join(s.root, "contrib", "testcontainers-go"), []string{withoutReaper, onThisMachine}, "go", "test", "-count=1", "./...")
	return err
}
