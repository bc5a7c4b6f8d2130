package main

import (
	"fmt"
	"os"
	"strings"
)

// allowList is what a service's .ops file says: the operations that are served, and the settings that are kept without effect.
//
//	# a comment
//	CreateQueue
//	SendMessage data          an operation on what is in a resource: not in the audit trail
//	inert CreateQueueInput.Attributes.KmsMasterKeyId kept and shown; nothing is encrypted with it
type allowList struct {
	operations []string
	data       map[string]bool // those on data
	inert      []inert
	all        bool // every operation of the model
}

type inert struct{ Path, Reason string }

func readAllowList(file string) (*allowList, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	a := &allowList{data: map[string]bool{}}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == "inert" && len(fields) > 2:
			a.inert = append(a.inert, inert{fields[1], strings.Join(fields[2:], " ")})
		case len(fields) == 1 || len(fields) == 2 && fields[1] == "data":
			a.operations = append(a.operations, fields[0])
			a.data[fields[0]] = len(fields) == 2
		default:
			return nil, fmt.Errorf("%s:%d: neither an operation nor inert PATH REASON", file, n)
		}
	}
	return a, nil
}
