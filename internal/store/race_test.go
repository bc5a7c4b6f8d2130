//go:build race

package store_test

// Under the race detector sync.Pool drops what it is given now and then, so allocations cannot be counted.
const racing = true
