package wire

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire/timestamp"
)

func fromBase64(s string) ([]byte, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, false
	}
	if b == nil {
		b = []byte{}
	}
	return b, true
}

// appendFloat writes f as JSON and XML do; those that are not numbers by their names.
func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, bits)
}

// parseScalar reads the text of a scalar or blob in a header, a URI, a query parameter or an XML element into the place of n at p.
func (n *node) parseScalar(p place, s string, def model.TimeFormat) bool {
	switch n.kind {
	case model.String:
		*n.present(p).str() = s
	case model.Bool:
		switch s {
		case "true", "True", "TRUE", "1":
			*n.present(p).boolean() = true
		case "false", "False", "FALSE", "0":
			*n.present(p).boolean() = false
		default:
			return false
		}
	case model.Int32, model.Int64:
		return n.setNumber(n.present(p), strings.TrimSpace(s))
	case model.Float32, model.Float64:
		switch s = strings.TrimSpace(s); s {
		case "Infinity", "-Infinity", "NaN":
		default:
			for _, c := range []byte(s) { // what ParseFloat takes beyond numbers: hexadecimals, underscores, "inf"
				if c != '+' && c != '-' && c != '.' && c|0x20 != 'e' && (c < '0' || c > '9') {
					return false
				}
			}
		}
		return n.setNumber(n.present(p), s)
	case model.Time:
		f := n.schema.Time
		if f == model.ProtocolTime {
			f = def
		}
		t, ok := timestamp.Parse(strings.TrimSpace(s), f)
		if ok {
			*n.present(p).time() = t
		}
		return ok
	case model.Blob:
		b, ok := fromBase64(strings.TrimSpace(s))
		if ok {
			*p.blob() = b
		}
		return ok
	default:
		return false
	}
	return true
}

// appendScalar writes the scalar or blob of n that lies at p, as text.
func (n *node) appendScalar(b []byte, p place, def model.TimeFormat) []byte {
	switch n.kind {
	case model.String:
		return append(b, *p.str()...)
	case model.Bool:
		return strconv.AppendBool(b, *p.boolean())
	case model.Int32:
		return strconv.AppendInt(b, int64(*p.i32()), 10)
	case model.Int64:
		return strconv.AppendInt(b, *p.i64(), 10)
	case model.Float32:
		return appendFloat(b, float64(*p.f32()), 32)
	case model.Float64:
		return appendFloat(b, *p.f64(), 64)
	case model.Time:
		return timestamp.Append(b, *p.time(), n.schema.Time, def)
	case model.Blob:
		return base64.StdEncoding.AppendEncode(b, *p.blob())
	}
	return b
}
