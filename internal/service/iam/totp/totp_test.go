package totp_test

import (
	"bytes"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/service/iam/totp"
)

// The vectors of RFC 6238, appendix B, in their last six digits.
func TestCode(t *testing.T) {
	t.Parallel()
	seed := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := totp.Code(seed, totp.Step(time.Unix(at, 0))); got != want {
			t.Errorf("at %d it shows %s, not %s", at, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	seed := totp.NewSeed()
	if n, ok := totp.Find(seed, "12345", 0, 10); ok {
		t.Errorf("five digits are shown at %d", n)
	}
	if n, ok := totp.Find(seed, totp.Code(seed, 11), 10_000, 10_002); ok && totp.Code(seed, n) != totp.Code(seed, 11) {
		t.Errorf("the code of step 11 is shown at %d", n)
	}
	for n := int64(99); n <= 101; n++ {
		if got, ok := totp.Find(seed, totp.Code(seed, n), 99, 101); !ok || totp.Code(seed, got) != totp.Code(seed, n) {
			t.Errorf("the code of step %d is shown at %d, %v", n, got, ok)
		}
	}
	if n, ok := totp.FindPair(seed, totp.Code(seed, 101), totp.Code(seed, 100), 90, 110); ok {
		t.Errorf("two codes the wrong way round are shown at %d", n)
	}
	if n, ok := totp.FindPair(seed, totp.Code(seed, 100), totp.Code(seed, 101), 90, 110); !ok || n != 101 {
		t.Errorf("the codes of steps 100 and 101 are shown at %d, %v", n, ok)
	}
}

func TestPicture(t *testing.T) {
	t.Parallel()
	if _, err := totp.PNG(strings.Repeat("x", 10_000)); err == nil {
		t.Error("a text of 10,000 characters is drawn")
	}
	text := totp.URL("phone", "111111111111", []byte("12345678901234567890"))
	if want := "otpauth://totp/Amazon%20Web%20Services:phone@111111111111?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Amazon%20Web%20Services"; text != want {
		t.Errorf("it says %s", text)
	}
	picture, err := totp.PNG(text)
	if err != nil {
		t.Fatal(err)
	}
	if i, err := png.Decode(bytes.NewReader(picture)); err != nil || i.Bounds().Dx() < 100 {
		t.Errorf("the picture: %v", err)
	}
}
