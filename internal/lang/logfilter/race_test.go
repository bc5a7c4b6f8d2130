//go:build race

package logfilter_test

const raced = true
