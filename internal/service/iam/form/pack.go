package form

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// MaxPacked is how much of what is compressed fits into a record.
const MaxPacked = 1 << 20

var packer = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
})

var unpacker = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
})

// Pack compresses what is long and seldom read.
func Pack(text []byte) []byte {
	w, err := packer()
	if err != nil {
		panic(err) // its options are wrong
	}
	return w.EncodeAll(text, nil)
}

// Unpack is what was packed.
func Unpack(packed []byte) ([]byte, error) {
	r, err := unpacker()
	if err != nil {
		panic(err) // its options are wrong
	}
	text, err := r.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return text, nil
}
