// Package obidos starts obidos in a container for the length of a test, with Testcontainers.
//
// Tests in Go that need no container take obidostest, which is a platform inside the test's own process. This is for those that want
// the image that runs elsewhere, or whose other parts are containers too.
package obidos

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// Port is where obidos serves inside its container, all services and both protocols, http and https.
const Port = "4566/tcp"

// Container is a running obidos.
type Container struct {
	testcontainers.Container
}

// Run starts an image of obidos and returns once it serves. What it keeps is gone with it, so nothing is synced to a disk.
func Run(ctx context.Context, image string, options ...testcontainers.ContainerCustomizer) (*Container, error) {
	ours := []testcontainers.ContainerCustomizer{
		testcontainers.WithExposedPorts(Port),
		testcontainers.WithEnv(map[string]string{"OBIDOS_MEMORY": "true"}),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/_obidos/health").WithPort(Port)),
	}
	c, err := testcontainers.Run(ctx, image, append(ours, options...)...)
	if c == nil {
		return nil, fmt.Errorf("run obidos: %w", err)
	}
	if err != nil {
		return &Container{c}, fmt.Errorf("run obidos: %w", err) // for its logs, and to be terminated
	}
	return &Container{c}, nil
}

// URL is the endpoint for AWS clients on this machine. Neighbours in a network of the container's use its alias and port 4566.
func (c *Container) URL(ctx context.Context) (string, error) {
	return c.PortEndpoint(ctx, Port, "http")
}

// Environment points the AWS clients of another process at obidos.
func (c *Container) Environment(ctx context.Context) (map[string]string, error) {
	url, err := c.URL(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
	}, nil
}

// Advance moves the platform's clock forward: all that falls due happens, in its order, before it returns.
func (c *Container) Advance(ctx context.Context, d time.Duration) error {
	return c.obidos(ctx, "clock", "advance", d.String())
}

// Reset forgets everything, for the next test.
func (c *Container) Reset(ctx context.Context) error { return c.obidos(ctx, "reset") }

// obidos runs a command of obidos beside it: what rules over everything answers only inside the container.
func (c *Container) obidos(ctx context.Context, args ...string) error {
	status, out, err := c.Exec(ctx, append([]string{"obidos"}, args...))
	if err != nil {
		return err
	}
	if status != 0 {
		text, err := io.ReadAll(out)
		if err != nil {
			return err
		}
		return fmt.Errorf("obidos %v ended with status %d: %s", args, status, text)
	}
	return nil
}
