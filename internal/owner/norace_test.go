//go:build !race

package owner_test

const raced = false
