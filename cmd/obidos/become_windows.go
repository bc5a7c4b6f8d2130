package main

import "context"

// replaceWith runs another program and ends as it did: Windows knows no other way.
func replaceWith(path string, args []string) error {
	return runHere(context.Background(), append([]string{path}, args[1:]...)...)
}
