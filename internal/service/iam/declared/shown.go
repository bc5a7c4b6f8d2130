package declared

import "github.com/obidos-cloud/obidos/internal/resource"

// The properties of resources, for the service, which tells the feed of every change whoever makes it.
type (
	User          = user
	Group         = group
	Role          = role
	ManagedPolicy = managedPolicy
	Profile       = profile
	Inline        = inline
	Tag           = tag
)

// Document is a policy's text as a property.
func Document(text string) any { return resource.Object(text) }
