package scan

import "strings"

// Major types of CBOR.
const (
	CBORUint = iota
	CBORNegative
	CBORBytes
	CBORCharacters
	CBORArray
	CBORMap
	CBORTag
	CBORSimple
)

// What the low bits of a head say, and the byte that ends what is of indefinite length.
const (
	CBORIndefinite = 31
	CBORFalse      = 20
	CBORTrue       = 21
	CBORNull       = 22
	CBORUndefined  = 23
	CBORBreak      = 0xff
)

// Head reads the head of an item: its major type, the low bits, and the number that follows.
func (r *Body) Head() (major, info byte, n uint64, ok bool) {
	if r.I >= len(r.S) {
		return 0, 0, 0, r.Fail("")
	}
	c := r.S[r.I]
	r.I++
	major, info = c>>5, c&31
	size := 0
	switch info {
	case 24:
		size = 1
	case 25:
		size = 2
	case 26:
		size = 4
	case 27:
		size = 8
	case 28, 29, 30:
		return 0, 0, 0, r.Fail("")
	default:
		return major, info, uint64(info), true
	}
	if len(r.S)-r.I < size {
		return 0, 0, 0, r.Fail("")
	}
	for range size {
		n = n<<8 | uint64(r.S[r.I])
		r.I++
	}
	return major, info, n, true
}

// Null skips a null or undefined, if that is what is next.
func (r *Body) Null() bool {
	if r.I < len(r.S) && (r.S[r.I] == CBORSimple<<5|CBORNull || r.S[r.I] == CBORSimple<<5|CBORUndefined) {
		r.I++
		return true
	}
	return false
}

// Ended reads the break of an item of indefinite length, if it is next.
func (r *Body) Ended() bool {
	if r.I < len(r.S) && r.S[r.I] == CBORBreak {
		r.I++
		return true
	}
	return false
}

// Chunk is the text or bytes of a head that has been read.
func (r *Body) Chunk(major, info byte, n uint64) (string, bool) {
	if info != CBORIndefinite {
		if n > uint64(len(r.S)-r.I) {
			return "", r.Fail("")
		}
		s := r.S[r.I : r.I+int(n)]
		r.I += int(n)
		return s, true
	}
	var b strings.Builder
	for !r.Ended() {
		m, i, n, ok := r.Head()
		if !ok || m != major || i == CBORIndefinite {
			return "", r.Fail("")
		}
		s, ok := r.Chunk(m, i, n)
		if !ok {
			return "", false
		}
		b.WriteString(s)
	}
	return b.String(), true
}

// Entries calls fn for each entry of a list or map whose head has been read.
func (r *Body) Entries(info byte, n uint64, fn func() bool) bool {
	for i := uint64(0); info == CBORIndefinite || i < n; i++ {
		if r.I >= len(r.S) {
			return r.Fail("")
		}
		if info == CBORIndefinite && r.Ended() {
			return true
		}
		if !fn() {
			return false
		}
	}
	return true
}

// SkipCBOR reads over any value.
func (r *Body) SkipCBOR(depth int) bool {
	if depth > MaxDepth {
		return r.Fail("")
	}
	major, info, n, ok := r.Head()
	if !ok {
		return false
	}
	switch major {
	case CBORBytes, CBORCharacters:
		_, ok := r.Chunk(major, info, n)
		return ok
	case CBORArray:
		return r.Entries(info, n, func() bool { return r.SkipCBOR(depth + 1) })
	case CBORMap:
		return r.Entries(info, n, func() bool {
			key := r.SkipCBOR(depth + 1)
			return key && r.SkipCBOR(depth+1)
		})
	case CBORTag:
		return info != CBORIndefinite && r.SkipCBOR(depth+1) || r.Fail("")
	}
	return info != CBORIndefinite || r.Fail("")
}
