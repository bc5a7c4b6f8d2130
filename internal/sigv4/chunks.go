package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Chunks writes a body in aws-chunked framing, each chunk signed, so that a body can be sent before all of it is known.
type Chunks struct {
	to       io.Writer
	chain    Body // only the chain of signatures of it
	trailers []string
}

// SignChunks signs r for a body of length bytes, which is then written through the Chunks. trailers are the headers that
// will stand behind it.
func SignChunks(r *http.Request, c Credentials, service, region string, now time.Time, length int64, trailers ...string) *Chunks {
	payload := streamingSigned
	if len(trailers) > 0 {
		payload = streamingTrailer
		r.Header.Set("X-Amz-Trailer", strings.Join(trailers, ","))
	}
	r.Header.Set("Content-Encoding", "aws-chunked")
	r.Header.Set("X-Amz-Content-Sha256", payload)
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.FormatInt(length, 10))
	Sign(r, c, service, region, now, payload)
	claim := ReadHeader(r.Header.Get("Authorization"))
	p := &proof{key: derive(keyName{c.Secret, claim.Date, region, service}), claim: claim, date: r.Header.Get("X-Amz-Date")}
	copy(p.signature[:], claim.Signature)
	return &Chunks{chain: Body{proof: p}, trailers: trailers}
}

// To sets where the chunks go. It must be called before the first Write.
func (c *Chunks) To(w io.Writer) { c.to = w }

// Write writes p as one chunk. S3 wants chunks of 8 KiB and more, but for the last.
func (c *Chunks) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // an empty chunk is the end
	}
	if err := c.chunk(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *Chunks) chunk(p []byte) error {
	text := append(c.chain.chain("AWS4-HMAC-SHA256-PAYLOAD"), emptyHash+"\n"...)
	c.sign(append(text, hashOf(p)...))
	b := strconv.AppendInt(nil, int64(len(p)), 16)
	b = append(append(append(b, ";chunk-signature="...), c.chain.proof.signature[:]...), "\r\n"...)
	b = append(b, p...)
	if len(p) > 0 {
		b = append(b, "\r\n"...)
	}
	_, err := c.to.Write(b)
	return err
}

func (c *Chunks) sign(text []byte) { c.chain.proof.signature = c.chain.proof.key.signature(text) }

// Close ends the body with the trailing headers that SignChunks was told of.
func (c *Chunks) Close(trailer http.Header) error {
	if err := c.chunk(nil); err != nil {
		return err
	}
	var b []byte
	if len(c.trailers) > 0 {
		var canonical []byte
		for _, name := range c.trailers {
			canonical = append(canonical, strings.ToLower(name)+":"+trailer.Get(name)+"\n"...)
			b = append(b, strings.ToLower(name)+":"+trailer.Get(name)+"\r\n"...)
		}
		sum := sha256.Sum256(canonical)
		c.sign(hex.AppendEncode(c.chain.chain("AWS4-HMAC-SHA256-TRAILER"), sum[:]))
		b = append(append(append(b, "x-amz-trailer-signature:"...), c.chain.proof.signature[:]...), "\r\n"...)
	}
	_, err := c.to.Write(append(b, "\r\n"...))
	return err
}
