package telemetry

import (
	"bytes"
	"cmp"
	"io"
	"math"
	"slices"
	"strconv"
)

// Metrics writes values in Prometheus' text format. Samples of one name must be written one after the other.
type Metrics struct {
	to   io.Writer
	w    bytes.Buffer
	last string // the name whose type was written
}

// NewMetrics writes to w, when it is flushed.
func NewMetrics(w io.Writer) *Metrics { return &Metrics{to: w} }

// Flush writes what is held back: everything since the last.
func (m *Metrics) Flush() error {
	_, err := m.w.WriteTo(m.to)
	return err
}

// Counter writes a value that only grows; labels are names and values, which alternate.
func (m *Metrics) Counter(name, help string, v float64, labels ...string) {
	m.head(name, help, "counter")
	m.sample(name, v, labels)
}

// Gauge writes a value that goes up and down.
func (m *Metrics) Gauge(name, help string, v float64, labels ...string) {
	m.head(name, help, "gauge")
	m.sample(name, v, labels)
}

func (m *Metrics) head(name, help, kind string) {
	if m.last == name {
		return
	}
	m.last = name
	for _, s := range []string{"# HELP ", name, " "} {
		m.w.WriteString(s)
	}
	m.escape(help, false)
	for _, s := range []string{"\n# TYPE ", name, " ", kind, "\n"} {
		m.w.WriteString(s)
	}
}

func (m *Metrics) sample(name string, v float64, labels []string) {
	m.w.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		m.w.WriteByte("{,"[min(i, 1)])
		m.w.WriteString(labels[i])
		m.w.WriteString(`="`)
		m.escape(labels[i+1], true)
		m.w.WriteByte('"')
	}
	if len(labels) > 1 {
		m.w.WriteByte('}')
	}
	m.w.WriteByte(' ')
	m.w.WriteString(number(v))
	m.w.WriteByte('\n')
}

func (m *Metrics) escape(s string, quotes bool) {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			m.w.WriteString(`\\`)
		case c == '\n':
			m.w.WriteString(`\n`)
		case c == '"' && quotes:
			m.w.WriteString(`\"`)
		default:
			m.w.WriteByte(c)
		}
	}
}

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case math.IsNaN(v):
		return "NaN"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// The bounds of the histogram of durations that Prometheus is shown: powers of four from 61 µs to 64 s.
const (
	firstBound = -14
	lastBound  = 6
)

// WritePrometheus writes how many calls of each operation ended with which status, how long they took, and what could not be
// recorded. Accounts and regions are added up: there may be many.
func (r *Recorder) WritePrometheus(w io.Writer) error {
	r.mu.RLock()
	calls := slices.Clone(r.calls)
	r.mu.RUnlock()
	slices.SortFunc(calls, func(a, b *Calls) int {
		return cmp.Or(cmp.Compare(a.Operation.Service.Name, b.Operation.Service.Name), cmp.Compare(a.Operation.Name, b.Operation.Name))
	})
	m := NewMetrics(w)
	for _, c := range calls {
		for i, n := range c.byStatus() {
			if n > 0 {
				m.Counter("obidos_calls_total", "Calls of operations by the status of their answer.", float64(n),
					"service", c.Operation.Service.Name, "operation", c.Operation.Name, "status", strconv.Itoa(statuses[i]))
			}
		}
	}
	const name = "obidos_call_seconds"
	for _, c := range calls {
		counts, sum, total := c.histogram()
		if total == 0 {
			continue
		}
		m.head(name, "How long calls of operations took.", "histogram")
		labels := []string{"service", c.Operation.Service.Name, "operation", c.Operation.Name}
		below, next := counts.zero, 0
		for exponent := firstBound; exponent <= lastBound; exponent += 2 {
			for ; next < (exponent-lowest)*perOctave; next++ {
				below += counts.buckets[next]
			}
			m.sample(name+"_bucket", float64(below), append(labels, "le", number(math.Ldexp(1, exponent))))
		}
		m.sample(name+"_bucket", float64(total), append(labels, "le", "+Inf"))
		m.sample(name+"_sum", sum, labels)
		m.sample(name+"_count", float64(total), labels)
	}
	m.Counter("obidos_measurements_dropped_total", "Measurements of series beyond the bound on how many are kept apart.", float64(r.dropped.Load()))
	return m.Flush()
}

// byStatus is how many calls ended with each of statuses, in all scopes.
func (c *Calls) byStatus() (n [len(statuses)]uint64) {
	for _, at := range *c.scopes.Load() {
		for i := range at.series {
			if s := at.series[i].Load(); s != nil {
				n[i] += s.count()
			}
		}
	}
	return n
}

// counts are a histogram added up.
type counts struct {
	zero    uint64
	buckets [histLength]uint64
}

func (c *Calls) histogram() (h *counts, sum float64, total uint64) {
	h = &counts{}
	for _, at := range *c.scopes.Load() {
		for i := range at.series {
			s := at.series[i].Load()
			if s == nil {
				continue
			}
			sum += math.Float64frombits(s.sum.Load())
			zero := s.zero.Load()
			h.zero += zero
			total += zero
			s.each(func(i int, n uint64) {
				h.buckets[i] += n
				total += n
			})
		}
	}
	return h, sum, total
}

// each calls fn with every bucket that holds anything.
func (s *Series) each(fn func(i int, n uint64)) {
	for p := range s.parts {
		part := s.parts[p].Load()
		if part == nil {
			continue
		}
		for i := range part.count {
			if n := part.count[i].Load(); n > 0 {
				fn(p*perPart+i, n)
			}
		}
	}
}

// count is how many measurements there ever were.
func (s *Series) count() uint64 {
	n := s.zero.Load()
	s.each(func(_ int, m uint64) { n += m })
	return n
}
