// Package crash proves, on the whole product, what obidos promises of what it has answered: callers use queues through the
// API, over HTTP, while processes are killed, the power is cut, nodes of a process and of a PostgreSQL are taken over and the disk fills up; and what they
// are told and given afterwards is held against what they were told before.
//
// It keeps no code that runs: [history] in its tests is the model, callers the load, and each test a way to die.
// OBIDOS_CRASHES=n has power cut n times and processes killed n/10 times (make crash; few of each otherwise), and
// OBIDOS_SEED=s replays one. OBIDOS_BIN names a binary to kill instead of the test's own, OBIDOS_OLD_BIN one of an older version, which
// TestUpgradeOneByOne then replaces by the newer.
package crash
