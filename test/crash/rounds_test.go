package crash

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// rounds runs a test so often, each time with a seed of its own: as often as OBIDOS_CRASHES says, divided by share, or few
// enough for an ordinary run. OBIDOS_SEED replays one.
func rounds(t *testing.T, ordinary, share int, run func(t *testing.T, seed uint64)) {
	t.Helper()
	if s := os.Getenv("OBIDOS_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		run(t, seed)
		return
	}
	n := ordinary
	if all, err := strconv.Atoi(os.Getenv("OBIDOS_CRASHES")); err == nil {
		n = max(1, all/share)
	}
	first := rand.Uint64N(1_000_000_000)
	for i := range uint64(n) {
		seed := first + i
		if !t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { run(t, seed) }) {
			t.Fatalf("replay with OBIDOS_SEED=%d", seed)
		}
	}
}
