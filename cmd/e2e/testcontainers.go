package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// withoutReaper spares Testcontainers the container that cleans up after a test that was killed: it is an image of its own, to be
// had only from a registry.
const withoutReaper = "TESTCONTAINERS_RYUK_DISABLED=true"

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

// testcontainersJava does the same from Java.
func testcontainersJava(ctx context.Context, s *site) error {
	return s.maven(ctx, filepath.Join(s.sources, "java"), "test")
}

// contribJava tests the module in contrib.
func contribJava(ctx context.Context, s *site) error {
	return s.maven(ctx, filepath.Join(s.root, "contrib", "testcontainers-java"), "test")
}

// maven runs a goal in a copy of a project, so that nothing is left beside its sources.
func (s *site) maven(ctx context.Context, project, goal string) (err error) {
	dir := filepath.Join(s.cache, "maven-"+filepath.Base(project))
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(project))); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := installed(ctx, "mvn", "maven"); err != nil {
		return err
	}
	// Whether files can be mounted is tried with a small image from a registry, unless another is named.
	env := []string{withoutReaper, "TESTCONTAINERS_TINYC_CONTAINER_IMAGE=" + s.image}
	_, err = s.output(ctx, dir, env, "mvn", "-q", "-B", "-ntp", goal)
	return err
}

// contribGo tests the module in contrib.
func contribGo(ctx context.Context, s *site) error {
	_, err := s.output(ctx, filepath.Join(s.root, "contrib", "testcontainers-go"), []string{withoutReaper}, "go", "test", "-count=1", "./...")
	return err
}
