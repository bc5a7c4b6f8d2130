package iam

import "github.com/obidos-cloud/obidos/internal/service/iam/form"

// The first letters of unique ids.
const (
	userID    = "AIDA"
	groupID   = "AGPA"
	roleID    = "AROA"
	policyID  = "ANPA"
	profileID = "AIPA"
)

// kept is n as it is stored, with its tags in the order of their keys: they are answered in the order they were given only by
// the call that gave them.
func (n named) kept() named {
	n.Tags = form.Sorted(n.Tags)
	return n
}
