//go:build race

package owner_test

const raced = true // sync.Pool then drops what it is given, and all takes ten times as long
