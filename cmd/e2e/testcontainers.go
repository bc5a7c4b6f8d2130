package main

import (
	"context"
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

// contribGo tests the module in contrib.
func contribGo(ctx context.Context, s *site) error {
	_, err := s.output(ctx, filepath.Join(s.root, "contrib", "testcontainers-go"), []string{withoutReaper}, "go", "test", "-count=1", "./...")
	return err
}
