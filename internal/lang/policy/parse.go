package policy

// Parse compiles a document that is to be stored as kind, held to all of AWS's rules for it. The error is an *Error.
func Parse(text string, kind Kind) (*Policy, error) {
	return nil, &Error{Message: "Syntax errors in policy."}
}

// Read compiles a document that is stored already, of whatever kind. What AWS once took is taken: elements are left out, actions
// may carry any prefix. What makes no sense in an Allow allows nothing; in a Deny it is an error. The error is an *Error.
func Read(text string) (*Policy, error) {
	return nil, &Error{Message: "Syntax errors in policy."}
}
