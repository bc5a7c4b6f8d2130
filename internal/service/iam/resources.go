package iam

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/iam/declared"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Types are the service's types of resource. What is done to one is done through api, as whoever asks for it.
func (s *Service) Types(api iamapi.Client) []resource.Type {
	return declared.Types(api, memory{s}, s.tagged(aUser), s.tagged(aRole), s.taggedParts)
}

// memory is the service as what declared resources are remembered in.
type memory struct{ *Service }

// Recall implements declared.Memory.
func (m memory) Recall(ctx context.Context, typeName, id string) (declared.Kept, bool, error) {
	type answer struct {
		declared.Kept
		ok bool
	}
	a, err := view(ctx, m.Service, func(tx *store.Tx, h home) (a answer, err error) {
		r, ok := m.tables.declared.Get(tx, h.account, typeName, id)
		return answer{r.Kept, ok}, nil
	})
	return a.Kept, a.ok, err
}

// Remember implements declared.Memory.
func (m memory) Remember(ctx context.Context, typeName, id string, k declared.Kept) error {
	_, err := store.Update(ctx, m.space, func(tx *store.Tx) (struct{}, error) {
		m.tables.declared.Set(tx, declaredRecord{Kept: k}, homeOf(ctx).account, typeName, id)
		return struct{}{}, nil
	})
	return err
}

// Forget implements declared.Memory.
func (m memory) Forget(ctx context.Context, typeName, id string) error {
	_, err := store.Update(ctx, m.space, func(tx *store.Tx) (struct{}, error) {
		m.tables.declared.Delete(tx, homeOf(ctx).account, typeName, id)
		return struct{}{}, nil
	})
	return err
}

// homeRegion reports whether a region is the one that the account-wide things of its partition are told in.
func homeRegion(region string) bool {
	switch aws.Partition(region) {
	case "aws-cn":
		return region == "cn-north-1"
	case "aws-us-gov":
		return region == "us-gov-west-1"
	case "aws":
		return region == "us-east-1"
	}
	return true
}

// tagged is how the tags of users or roles are found.
func (s *Service) tagged(k kind) declared.Tagged {
	return declared.Tagged{
		List: func(ctx context.Context, after string, limit int) ([]resource.Tagged, error) {
			return view(ctx, s, func(tx *store.Tx, h home) (list []resource.Tagged, err error) {
				if !homeRegion(tx.Scope().Region) {
					return nil, nil
				}
				var o store.ScanOptions
				if a, ok := aws.ParseARN(after); ok {
					o.After = []any{form.Fold(a.Resource[strings.LastIndexByte(a.Resource, '/')+1:])}
				}
				for _, id := range s.tables.names.Scan(tx, o, h.account, k.key()) {
					if len(list) == limit {
						break
					}
					if n, tags := s.tagsBy(tx, h, k, id); len(tags) > 0 {
						list = append(list, resource.Tagged{ARN: h.arnOf(k, n), Tags: tags})
					}
				}
				return list, nil
			})
		},
		Get: func(ctx context.Context, arn aws.ARN) (map[string]string, error) {
			return view(ctx, s, func(tx *store.Tx, h home) (map[string]string, error) {
				n, tags := s.tagsBy(tx, h, k, s.id(tx, h, k, arn.Resource[strings.LastIndexByte(arn.Resource, '/')+1:]))
				if n.ID == "" {
					return nil, resource.Missing(k.traits().typ, arn.String())
				}
				return tags, nil
			})
		},
	}
}

// tagsBy are the tags of a user or role of that id.
func (s *Service) tagsBy(tx *store.Tx, h home, k kind, id string) (named, map[string]string) {
	n, _ := s.byID(tx, h, k, id)
	tags := make(map[string]string, len(n.Tags))
	for _, t := range n.Tags {
		tags[t.Key] = t.Value
	}
	return n, tags
}

// taggedParts is how the tags of providers and certificates are found, whose ARNs begin so.
func (s *Service) taggedParts(what, typeName string) declared.Tagged {
	each := func(tx *store.Tx, h home, yield func(arn string, tags []form.Tag) bool) {
		for _, all := range []iter.Seq2[string, []form.Tag]{s.Providers.Tagged(tx, h.account), s.Credentials.Tagged(tx, h.account)} {
			for resource, tags := range all {
				if strings.HasPrefix(resource, what) && !yield(h.arn(resource), tags) {
					return
				}
			}
		}
	}
	asMap := func(tags []form.Tag) map[string]string {
		m := make(map[string]string, len(tags))
		for _, t := range tags {
			m[t.Key] = t.Value
		}
		return m
	}
	return declared.Tagged{
		List: func(ctx context.Context, after string, limit int) ([]resource.Tagged, error) {
			return view(ctx, s, func(tx *store.Tx, h home) (list []resource.Tagged, err error) {
				if !homeRegion(tx.Scope().Region) {
					return nil, nil
				}
				each(tx, h, func(arn string, tags []form.Tag) bool {
					if len(tags) > 0 {
						list = append(list, resource.Tagged{ARN: arn, Tags: asMap(tags)})
					}
					return true
				})
				slices.SortFunc(list, func(a, b resource.Tagged) int { return strings.Compare(a.ARN, b.ARN) })
				list = slices.DeleteFunc(list, func(t resource.Tagged) bool { return t.ARN <= after })
				return list[:min(limit, len(list))], nil
			})
		},
		Get: func(ctx context.Context, arn aws.ARN) (map[string]string, error) {
			return view(ctx, s, func(tx *store.Tx, h home) (found map[string]string, err error) {
				each(tx, h, func(other string, tags []form.Tag) bool {
					if other == arn.String() {
						found = asMap(tags)
					}
					return found == nil
				})
				if found == nil {
					return nil, resource.Missing(typeName, arn.String())
				}
				return found, nil
			})
		},
	}
}
