package managed

import "testing"

// FuzzParse finds that a damaged file is refused, or read without harm.
func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(file[:100])
	f.Add(file[:len(file)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse(data)
		if err != nil {
			return
		}
		for _, p := range c.policies {
			for _, v := range p.Versions {
				_, _ = c.read(v)
			}
		}
	})
}

func BenchmarkIndex(b *testing.B) {
	for b.Loop() {
		if _, err := parse(file); err != nil {
			b.Fatal(err)
		}
	}
}
