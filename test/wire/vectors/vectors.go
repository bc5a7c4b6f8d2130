// Package vectors holds package wire to what AWS itself publishes of its protocols: the requests, answers and errors that the SDK for
// Go v2 carries with every operation, and the protocol tests of botocore. It runs with contracts of every operation, served or
// not, which the test generates.
package vectors

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/obidos-cloud/obidos/internal/model"
)

// Result is what came out.
type Result struct {
	Passed   map[string]int    // by kind of vector
	Failed   map[string]string // the vector's name: what differed
	Unmodel  []string          // vectors of operations and errors that our models do not have
	Services []string          // with how many vectors
}

func (r *Result) pass(kind string) { r.Passed[kind]++ }

func (r *Result) fail(name string, format string, args ...any) {
	r.Failed[name] = fmt.Sprintf(format, args...)
}

// Config says where everything lies.
type Config struct {
	Modules   map[string]string // directories of the SDK's modules by their service
	Protocols string            // directory of botocore's protocol tests; none where empty
}

// Run runs every vector and prints the Result as JSON. services are the contracts of the models, suites those made of the protocol tests.
func Run(services, suites []*model.Service) {
	var c Config
	r := Result{Passed: map[string]int{}, Failed: map[string]string{}}
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := r.run(c, services, suites); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (r *Result) run(c Config, services, suites []*model.Service) error {
	for _, name := range slices.Sorted(maps.Keys(c.Modules)) {
		if err := r.fixtures(name, c.Modules[name], services); err != nil {
			return err
		}
	}
	if c.Protocols != "" {
		return r.protocols(c.Protocols, suites)
	}
	return nil
}
