package aws

import "iter"

// Events is a stream of events: a member of an output, or of an input, that goes over the wire one event after another while the
// operation goes on. Each event is a *T of which one member is set. Its zero value is a stream that is not there.
//
// It is ranged over once, by one goroutine. What it needs is held from when it is made until the range over it or the
// context of the call ends, whichever is first: who ranges over none of it lets the context end. An error is the last there is;
// one of AWS's own reaches the client as what it is.
type Events[T any] struct {
	_   [0]T // says what T is to who reads types
	all iter.Seq2[any, error]
}

// EventsOf is a stream of what seq yields.
func EventsOf[T any](seq iter.Seq2[*T, error]) Events[T] {
	return Events[T]{all: func(yield func(any, error) bool) {
		for e, err := range seq {
			if !yield(e, err) {
				return
			}
		}
	}}
}

// All is the events.
func (e Events[T]) All() iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		if e.all == nil {
			return
		}
		for v, err := range e.all {
			event, _ := v.(*T)
			if !yield(event, err) {
				return
			}
		}
	}
}
