package iam

import (
	"context"
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
	return declared.Types(api, memory{s}, s.tagged(aUser), s.tagged(aRole))
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
	n, _ := s.namedBy(tx, h, k, id)
	tags := make(map[string]string, len(n.Tags))
	for _, t := range n.Tags {
		tags[t.Key] = t.Value
	}
	return n, tags
}
