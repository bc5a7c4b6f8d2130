// Package arch holds the plan of the house as data: which layer each package stands in, and the ratchets that keep files,
// packages and the binary from growing without anybody deciding it. Its test reads every import of the module and fails on
// one that goes up or sideways. It holds no code that runs.
package arch

// Layers lists the packages of internal/, lowest first. A package may import only from layers below its own, and from
// packages inside itself. A name that ends in /... stands for everything below it too. Where two fit, the lower layer holds: what the
// parts of a service that was split have in common stands below them.
var Layers = [][]string{
	{"aws", "lang/..."},
	{"model", "store/...", "blob/...", "datadir", "clock", "compute/...", "sigv4", "federation/..."},
	{"partition"},
	{"api/...", "task", "timer", "owner", "auth", "telemetry/...", "shelf"},
	{"call", "wire/...", "snapshot", "transfer"},
	{"delivery", "eventsource", "resource/...", "proxy", "peer", "service/iam/form", "service/iam/keys", "service/iam/totp", "service/logs/form"},
	{"service/...", "gateway/...", "console", "localstack", "awslocal"},
	{"platform"},
}

// TestSupport are packages that only tests import; they may import anything below the layer given.
var TestSupport = map[string]int{
	"scenario": 7,
}

// The ratchets. They go down; whoever raises one says why in the commit.
const (
	MaxFileLines    = 800   // of a hand-written file
	MaxPackageLines = 6_000 // of a package's hand-written code without tests
	MaxBinaryBytes  = 40 << 20
)
