// Package aws holds the words every part of obidos speaks: optional values, errors as AWS answers them, ARNs, the
// account and region a request belongs to, and who made it. It is pure: no I/O, no clock, no state.
package aws

// Opt is an optional scalar member of a generated structure: a value, and whether it was there at all. AWS treats an
// absent member and an empty one differently in many places, so both are kept apart without a pointer.
type Opt[T any] struct {
	V   T
	Set bool
}

// Some is a present value.
func Some[T any](v T) Opt[T] { return Opt[T]{V: v, Set: true} }

// Or is the value, or def where it is absent.
func (o Opt[T]) Or(def T) T {
	if o.Set {
		return o.V
	}
	return def
}

// NonZero is a present value, or an absent one where v is the zero value: for members AWS leaves out when empty.
func NonZero[T comparable](v T) Opt[T] {
	var zero T
	return Opt[T]{V: v, Set: v != zero}
}
