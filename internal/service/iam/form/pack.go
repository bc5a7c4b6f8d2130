package form

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

// MaxPacked is how much of what is compressed fits into a record.
const MaxPacked = 1 << 20

// maxUnpacked is how much of it is read again.
const maxUnpacked = 64 << 20

// Pack compresses what is long and seldom read.
func Pack(text []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // into memory nothing fails
	}
	return b.Bytes()
}

// Unpack is what was packed.
func Unpack(packed []byte) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxUnpacked))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return text, nil
}
