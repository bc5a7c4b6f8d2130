package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// startInterval is how often health is checked until it is good for the first time. Engines from before 2024 leave it out and
// make everybody wait for the ordinary interval.
const startInterval = 200 * time.Millisecond

// impatient adds the health check's start interval to an image's configuration, for which the library has no field.
func impatient(image v1.Image) (v1.Image, error) {
	text, err := image.RawConfigFile()
	if err != nil {
		return nil, err
	}
	mark := []byte(`"Healthcheck":{`)
	if bytes.Count(text, mark) != 1 {
		return nil, fmt.Errorf("the configuration has %d health checks", bytes.Count(text, mark))
	}
	text = bytes.Replace(text, mark, fmt.Appendf(nil, `%s"StartInterval":%d,`, mark, startInterval), 1)
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	manifest = manifest.DeepCopy()
	if manifest.Config.Digest, manifest.Config.Size, err = v1.SHA256(bytes.NewReader(text)); err != nil {
		return nil, err
	}
	written, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(&configured{Image: image, config: text, manifest: written})
}

// configured is an image with another configuration.
type configured struct {
	v1.Image
	config, manifest []byte
}

func (c *configured) RawConfigFile() ([]byte, error)      { return c.config, nil }
func (c *configured) RawManifest() ([]byte, error)        { return c.manifest, nil }
func (c *configured) MediaType() (types.MediaType, error) { return c.Image.MediaType() }

func (c *configured) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	return c.Image.LayerByDigest(h)
}
