//go:build race

package sqs_test

const raced = true
