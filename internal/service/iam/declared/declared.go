// Package declared is IAM as declared resources: the types AWS::IAM::User, Role, ManagedPolicy and the like, for Cloud Control,
// stacks and tagging.
//
// Each type does what it does through IAM's own API, as whoever asks. What a type must remember that IAM does not (which users a
// policy was given to under one id, say) it keeps in a Memory that the service has.
package declared

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
)

// Memory keeps what resources are made of that IAM has no record for, by type and identifier, of the account of ctx.
type Memory interface {
	Recall(ctx context.Context, typeName, id string) (k Kept, ok bool, err error)
	Remember(ctx context.Context, typeName, id string, k Kept) error
	Forget(ctx context.Context, typeName, id string) error
}

// Kept is what is remembered of a resource.
type Kept struct {
	Name   string   `cbor:"1,keyasint,omitempty"`
	Users  []string `cbor:"2,keyasint,omitempty"`
	Groups []string `cbor:"3,keyasint,omitempty"`
	Roles  []string `cbor:"4,keyasint,omitempty"`
	Serial *int     `cbor:"5,keyasint,omitempty"` // of an access key
}

// Tagged is how the tags of users and roles are found, which belong to the account and no region.
type Tagged struct {
	List func(ctx context.Context, after string, limit int) ([]resource.Tagged, error)
	Get  func(ctx context.Context, arn aws.ARN) (map[string]string, error)
}

// Types are the types. others is how the tags of what is no user or role are found, by how its ARNs begin.
func Types(api iamapi.Client, memory Memory, users, roles Tagged, others func(what, typeName string) Tagged) []resource.Type {
	return []resource.Type{
		userTypes{api, usersOf(api)}.kind(users), groupTypes{api, groupsOf(api)}.kind(), roleTypes{api, rolesOf(api)}.kind(roles),
		managedPolicies{api}.kind(), policies{api, memory}.kind(),
		inlineKind("User", usersOf(api)), inlineKind("Group", groupsOf(api)), inlineKind("Role", rolesOf(api)),
		profiles{api}.kind(), accessKeys{api, memory}.kind(), additions{api, memory}.kind(), linkedRoles{api}.kind(),
		oidcProviders{api}.kind(others("oidc-provider/", oidcType)), samlProviders{api}.kind(others("saml-provider/", samlType)),
		serverCertificates{api}.kind(others("server-certificate/", serverType)),
	}
}

func isCode(err error, shape *aws.ErrorShape) bool {
	e, ok := errors.AsType[*aws.Error](err)
	return ok && e.ErrorShape == shape
}

// gone reports whether err says that something is not there.
func gone(err error) bool { return isCode(err, iamapi.ErrNoSuchEntityException) }

// taken reports whether err says that something is there already.
func taken(err error) bool { return isCode(err, iamapi.ErrEntityAlreadyExistsException) }

// unlessGone is err, or nil where it says that something is not there.
func unlessGone(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

// missing is err; where it says that something is not there, the failure of a resource that is missing.
func missing(err error, typeName, id string) error {
	if gone(err) {
		return resource.Missing(typeName, id)
	}
	return err
}

// deleted is what deleting again answers: what is gone is.
func deleted(err error, r resource.Request, typeName, id string) error {
	if r.Again {
		return unlessGone(err)
	}
	return missing(err, typeName, id)
}

// all goes through the pages of a list.
func all[T any](page func(marker aws.Opt[string]) ([]T, aws.Opt[string], error)) (list []T, err error) {
	var marker aws.Opt[string]
	for {
		part, next, err := page(marker)
		if err != nil {
			return nil, err
		}
		list = append(list, part...)
		if !next.Set {
			return list, nil
		}
		marker = next
	}
}

// differ is what is in a and not in b.
func differ[T any](a, b []T, same func(T, T) bool) (list []T) {
	for _, v := range a {
		if !slices.ContainsFunc(b, func(w T) bool { return same(v, w) }) {
			list = append(list, v)
		}
	}
	return list
}

func equal(a, b string) bool { return a == b }

// document is a policy as IAM answers it, as an object.
func document(escaped string) any {
	text, err := url.PathUnescape(escaped)
	if err != nil {
		return escaped
	}
	return resource.Object(text)
}

// tag is a tag as properties have it.
type tag struct{ Key, Value string }

// tagsOf are the tags a resource is to have, with those of its stack.
func tagsOf(own []tag, r resource.Request) (list []iamapi.Tag) {
	for k, v := range r.Tags {
		if !slices.ContainsFunc(own, func(t tag) bool { return t.Key == k }) {
			list = append(list, iamapi.Tag{Key: k, Value: v})
		}
	}
	for _, t := range own {
		list = append(list, iamapi.Tag{Key: t.Key, Value: t.Value})
	}
	slices.SortFunc(list, func(a, b iamapi.Tag) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

func fromTags(list []iamapi.Tag) (tags []tag) {
	for _, t := range list {
		tags = append(tags, tag{t.Key, t.Value})
	}
	return tags
}

// retag has tags become others: which to add, and the keys of those to take away.
func retag(had, wants []iamapi.Tag) (add []iamapi.Tag, remove []string) {
	add = differ(wants, had, func(a, b iamapi.Tag) bool { return a == b })
	for _, t := range differ(had, wants, func(a, b iamapi.Tag) bool { return a.Key == b.Key }) {
		remove = append(remove, t.Key)
	}
	return add, remove
}

func tagList(tags map[string]string) (list []iamapi.Tag) {
	for k, v := range tags {
		list = append(list, iamapi.Tag{Key: k, Value: v})
	}
	slices.SortFunc(list, func(a, b iamapi.Tag) int { return cmp.Compare(a.Key, b.Key) })
	return list
}

// account is the account and partition that ARNs are made of.
func arnOf(ctx context.Context, what string) string {
	r := aws.RequestOf(ctx)
	return aws.ARN{Partition: aws.Partition(r.Region), Service: "iam", Account: r.Account, Resource: what}.String()
}
