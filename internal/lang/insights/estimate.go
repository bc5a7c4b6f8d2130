package insights

import (
	"hash/fnv"
	"math"
	"math/bits"
	"slices"
)

// distinct counts different values: exactly up to a number, and from then on by an estimate of fixed size (HyperLogLog, its error
// being about 0.8 %).
type distinct struct {
	exact     map[uint64]struct{}
	registers []uint8
}

const (
	exactValues = 8192
	hllBits     = 14
)

// add returns how many bytes it grew by.
func (d *distinct) add(s string) int {
	h := fnv.New64a()
	h.Write([]byte(s))
	x := h.Sum64()
	x ^= x >> 33 // FNV alone is too even in its high bits
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	if d.registers != nil {
		d.register(x)
		return 0
	}
	if _, ok := d.exact[x]; ok {
		return 0
	}
	if d.exact == nil {
		d.exact = map[uint64]struct{}{}
	}
	d.exact[x] = struct{}{}
	if len(d.exact) <= exactValues {
		return 24
	}
	d.registers = make([]uint8, 1<<hllBits)
	for x := range d.exact {
		d.register(x)
	}
	d.exact = nil
	return 1<<hllBits - 24*exactValues
}

func (d *distinct) register(x uint64) {
	i := x >> (64 - hllBits)
	d.registers[i] = max(d.registers[i], uint8(bits.LeadingZeros64(x<<hllBits|1<<(hllBits-1)))+1)
}

func (d *distinct) count() float64 {
	if d.registers == nil {
		return float64(len(d.exact))
	}
	m, sum, zeros := float64(len(d.registers)), 0.0, 0.0
	for _, r := range d.registers {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			zeros++
		}
	}
	n := 0.7213 / (1 + 1.079/m) * m * m / sum
	if n <= 2.5*m && zeros > 0 {
		n = m * math.Log(m/zeros)
	}
	return math.Round(n)
}

// sketch finds percentiles: exactly among so many values, and from then on within half a percent of the value.
type sketch struct {
	exact              []float64
	positive, negative map[int]int64 // by the logarithm
	zeros, n           int64
}

const (
	exactSamples = 4096
	gamma        = 1.01
)

// add returns how many bytes it grew by.
func (s *sketch) add(v float64) int {
	s.n++
	if s.positive != nil {
		return s.bucket(v)
	}
	s.exact = append(s.exact, v)
	if len(s.exact) <= exactSamples {
		return 16
	}
	s.positive, s.negative = map[int]int64{}, map[int]int64{}
	grown := -16 * exactSamples
	for _, v := range s.exact {
		grown += s.bucket(v)
	}
	s.exact = nil
	return grown
}

func (s *sketch) bucket(v float64) int {
	if v == 0 {
		s.zeros++
		return 0
	}
	m := s.positive
	if v < 0 {
		m = s.negative
	}
	before := len(m)
	m[int(math.Ceil(math.Log(math.Abs(v))/math.Log(gamma)))]++
	return 32 * (len(m) - before)
}

// percentile is the least value that as many percent of the values are not above.
func (s *sketch) percentile(p float64) float64 {
	rank := max(int64(math.Ceil(p/100*float64(s.n))), 1)
	if s.positive == nil {
		slices.Sort(s.exact)
		return s.exact[rank-1]
	}
	middle := func(i int) float64 { return 2 * math.Pow(gamma, float64(i)) / (gamma + 1) }
	for _, i := range backwards(s.negative) {
		if rank -= s.negative[i]; rank <= 0 {
			return -middle(i)
		}
	}
	if rank -= s.zeros; rank <= 0 {
		return 0
	}
	last := 0.0
	for _, i := range slices.Backward(backwards(s.positive)) {
		last = middle(i)
		if rank -= s.positive[i]; rank <= 0 {
			break
		}
	}
	return last
}

// backwards are the keys, the largest first.
func backwards(m map[int]int64) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b int) int { return b - a })
	return keys
}
