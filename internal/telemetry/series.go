package telemetry

import (
	"math"
	"strings"
	"sync/atomic"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// SeriesID names one series of measurements, as CloudWatch would.
type SeriesID struct {
	aws.Scope
	Namespace  string // "AWS/SQS"
	Name       string // "NumberOfMessagesSent"
	Dimensions string // "QueueName=orders,Stage=prod": sorted by name; ',' '=' and '\' in them escaped with '\'
	Unit       string // "Count"
}

// Dimensions writes names and values, which alternate, as a SeriesID wants them.
func Dimensions(namesAndValues ...string) string {
	var b strings.Builder
	for i, s := range namesAndValues {
		if i > 0 {
			b.WriteByte(",="[i%2])
		}
		for j := range len(s) {
			if s[j] == ',' || s[j] == '=' || s[j] == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(s[j])
		}
	}
	return b.String()
}

// ParseDimensions is the inverse of Dimensions.
func ParseDimensions(s string) (namesAndValues []string) {
	if s == "" {
		return nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case c == ',' || c == '=':
			namesAndValues = append(namesAndValues, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(namesAndValues, b.String())
}

// A histogram tells values apart within an eighth of a power of two, from 2^-24 (60 ns in seconds) to 2^40. It is made of
// parts of four powers of two each, and a series has only those that its values fall into.
const (
	perOctave  = 8
	lowest     = -24
	octaves    = 64
	perPart    = 4 * perOctave
	histParts  = octaves / 4
	histLength = octaves * perOctave
)

type histPart struct {
	count   [perPart]atomic.Uint64 // ever
	flushed [perPart]uint64        // of which were written; the writer's own
}

// Series is one series of measurements. Counts and sums only grow, so that adding needs no lock and a minute is what was
// added since the last.
type Series struct {
	ID       SeriesID
	recorder *Recorder
	void     bool // beyond the recorder's bound: only counted as dropped

	parts    [histParts]atomic.Pointer[histPart]
	zero     atomic.Uint64 // values not above 0, which no part holds
	sum      atomic.Uint64 // float64 bits
	min, max atomic.Uint64 // float64 bits, of the minute under way; NaN where there is none
	detached atomic.Bool   // let go by the recorder after a long silence; the next value brings it back

	// The writer's own.
	flushedZero uint64
	flushedSum  float64
	silent      int // harvests without a value since the last with one
}

var nan = math.Float64bits(math.NaN())

// Series is the series of that name, begun where it is new. Whoever measures keeps it.
func (r *Recorder) Series(id SeriesID) *Series {
	r.mu.RLock()
	s := r.series[id]
	r.mu.RUnlock()
	if s != nil {
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.series[id]; s != nil {
		return s
	}
	s = &Series{ID: id, recorder: r, void: len(r.series) >= r.maxSeries}
	s.min.Store(nan)
	s.max.Store(nan)
	if !s.void {
		r.series[id] = s
	}
	return s
}

// bucketOf is the place of v > 0 in a histogram: its exponent and the first three bits of its fraction.
func bucketOf(v float64) int {
	bits := math.Float64bits(v)
	i := (int(bits>>52&0x7ff)-1023-lowest)*perOctave + int(bits>>49&7)
	return min(max(i, 0), histLength-1)
}

// BucketBounds are the values that bucket i of a histogram holds: from lo inclusive to hi exclusive.
func BucketBounds(i int) (lo, hi float64) {
	at := func(i int) float64 {
		return math.Ldexp(1+float64(i%perOctave)/perOctave, i/perOctave+lowest)
	}
	return at(i), at(i + 1)
}

// Add adds one measurement.
func (s *Series) Add(v float64) {
	if s.void {
		s.recorder.dropped.Add(1)
		return
	}
	if v > 0 {
		i := bucketOf(v)
		p := s.parts[i/perPart].Load()
		if p == nil {
			s.parts[i/perPart].CompareAndSwap(nil, &histPart{})
			p = s.parts[i/perPart].Load()
		}
		p.count[i%perPart].Add(1)
	} else {
		s.zero.Add(1)
	}
	for v != 0 {
		old := s.sum.Load()
		if s.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			break
		}
	}
	for {
		old := s.max.Load()
		if v <= math.Float64frombits(old) || s.max.CompareAndSwap(old, math.Float64bits(v)) {
			break
		}
	}
	for {
		old := s.min.Load()
		if v >= math.Float64frombits(old) || s.min.CompareAndSwap(old, math.Float64bits(v)) {
			break
		}
	}
	if s.detached.Load() {
		s.recorder.attach(s)
	}
	s.recorder.writer.touch(s.recorder)
}

// attach brings a series back that was let go. Where another took its place meanwhile, values go on being added here and
// are written by neither: that lasts for the holder's life, so a holder of a series is expected to be the only one.
func (r *Recorder) attach(s *Series) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.series) < r.maxSeries && r.series[s.ID] == nil {
		r.series[s.ID] = s
		s.detached.Store(false)
	}
}

// Datum is what one series measured in one minute, or in several added up.
type Datum struct {
	store.Unknown
	Count   uint64            `cbor:"1,keyasint"`
	Sum     float64           `cbor:"2,keyasint"`
	Min     float64           `cbor:"3,keyasint"`
	Max     float64           `cbor:"4,keyasint"`
	Buckets map[uint16]uint64 `cbor:"5,keyasint,omitempty"` // how many values fell into which bucket, see BucketBounds
	Unit    string            `cbor:"6,keyasint,omitempty"`
}

// harvest takes what was added since the last harvest. Only the writer calls it.
func (s *Series) harvest() (d Datum, ok bool) {
	for p := range s.parts {
		part := s.parts[p].Load()
		if part == nil {
			continue
		}
		for i := range part.count {
			n := part.count[i].Load()
			if n == part.flushed[i] {
				continue
			}
			if d.Buckets == nil {
				d.Buckets = map[uint16]uint64{}
			}
			d.Buckets[uint16(p*perPart+i)] = n - part.flushed[i]
			d.Count += n - part.flushed[i]
			part.flushed[i] = n
		}
	}
	zero := s.zero.Load()
	d.Count += zero - s.flushedZero
	s.flushedZero = zero
	if d.Count == 0 {
		return d, false
	}
	sum := math.Float64frombits(s.sum.Load())
	d.Sum = sum - s.flushedSum
	s.flushedSum = sum
	d.Min = math.Float64frombits(s.min.Swap(nan))
	d.Max = math.Float64frombits(s.max.Swap(nan))
	if math.IsNaN(d.Min) || math.IsNaN(d.Max) { // a value was counted whose bounds the last harvest took
		mean := d.Sum / float64(d.Count)
		d.Min, d.Max = mean, mean
	}
	return d, true
}

// Merge adds what another datum of the same series measured.
func (d *Datum) Merge(o Datum) {
	if d.Count == 0 {
		*d = o
		return
	}
	d.Min, d.Max = min(d.Min, o.Min), max(d.Max, o.Max)
	d.Count += o.Count
	d.Sum += o.Sum
	for i, n := range o.Buckets {
		if d.Buckets == nil {
			d.Buckets = map[uint16]uint64{}
		}
		d.Buckets[i] += n
	}
}

// Percentile is the value below which p (0 to 1) of the measurements lie, to within an eighth of a power of two.
func (d *Datum) Percentile(p float64) float64 {
	if d.Count == 0 {
		return math.NaN()
	}
	rank := p * float64(d.Count)
	inBuckets := uint64(0)
	for _, n := range d.Buckets {
		inBuckets += n
	}
	seen := float64(d.Count - inBuckets) // not above 0
	if rank <= seen && seen > 0 {
		return min(d.Min, 0)
	}
	for i := range uint16(histLength) {
		n := float64(d.Buckets[i])
		if n == 0 {
			continue
		}
		if seen+n >= rank {
			lo, hi := BucketBounds(int(i))
			return min(max(lo+(hi-lo)*(rank-seen)/n, d.Min), d.Max)
		}
		seen += n
	}
	return d.Max
}
