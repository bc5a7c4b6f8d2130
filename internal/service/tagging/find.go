package tagging

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/resourcegroupstaggingapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
)

const (
	pageSize  = 50 // resources, where that is not said
	listPage  = 100
	tokenLife = 15 * time.Minute
)

// place is where a page ended: the type and ARN of the last resource, or the last key or value, of what was asked for.
type place struct {
	Of    string `json:"o"` // the operation
	Type  string `json:"t,omitempty"`
	After string `json:"a"`
	Until int64  `json:"u"` // seconds
}

func (s *Service) token(p place) aws.Opt[string] {
	p.Until = s.clock.Now().Add(tokenLife).Unix()
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and a number
	}
	return aws.Some(base64.URLEncoding.EncodeToString(b))
}

// place reads a page token of an operation; the zero place is the beginning.
func (s *Service) place(operation string, token aws.Opt[string]) (p place, err error) {
	if token.V == "" {
		return p, nil
	}
	b, err := base64.URLEncoding.DecodeString(token.V)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.Of != operation {
		return p, invalid("Invalid PaginationToken.")
	}
	if s.clock.Now().Unix() > p.Until {
		return p, resourcegroupstaggingapi.PaginationTokenExpiredException("PaginationToken has expired.")
	}
	return p, nil
}

// tagged is a resource with tags and the name of its type.
type tagged struct {
	kind string
	resource.Tagged
}

// all gives every resource with tags of the caller's account and region, type by type, from a place on.
func (s *Service) all(ctx context.Context, from place, wants func(*resource.Tags) bool) iter.Seq2[tagged, error] {
	return func(yield func(tagged, error) bool) {
		for _, name := range s.types.Names() {
			t, _ := s.types.Type(name)
			if t.Tags == nil || name < from.Type || !wants(t.Tags) {
				continue
			}
			after := ""
			if name == from.Type {
				after = from.After
			}
			for {
				list, err := t.Tags.List(ctx, after, listPage)
				if err != nil {
					yield(tagged{}, err)
					return
				}
				for _, r := range list {
					if !yield(tagged{name, r}, nil) {
						return
					}
					after = r.ARN
				}
				if len(list) < listPage {
					break
				}
			}
		}
	}
}

func everything(*resource.Tags) bool { return true }

// GetResources answers resources with tags, a page of those that filters leave or those of a list.
func (s *Service) GetResources(ctx context.Context, in *resourcegroupstaggingapi.GetResourcesInput) (*resourcegroupstaggingapi.GetResourcesOutput, error) {
	if err := checkGet(in); err != nil {
		return nil, err
	}
	out := &resourcegroupstaggingapi.GetResourcesOutput{PaginationToken: aws.Some(""), ResourceTagMappingList: []resourcegroupstaggingapi.ResourceTagMapping{}}
	show := func(r resource.Tagged) {
		m := resourcegroupstaggingapi.ResourceTagMapping{ResourceARN: aws.Some(r.ARN), Tags: []resourcegroupstaggingapi.Tag{}}
		for _, k := range slices.Sorted(maps.Keys(r.Tags)) {
			m.Tags = append(m.Tags, resourcegroupstaggingapi.Tag{Key: k, Value: r.Tags[k]})
		}
		if in.IncludeComplianceDetails.V {
			m.ComplianceDetails = &resourcegroupstaggingapi.ComplianceDetails{ComplianceStatus: aws.Some(true)}
		}
		if !in.ExcludeCompliantResources.V {
			out.ResourceTagMappingList = append(out.ResourceTagMappingList, m)
		}
	}
	if len(in.ResourceARNList) > 0 {
		return out, s.each(ctx, in.ResourceARNList, show)
	}
	from, err := s.place("GetResources", in.PaginationToken)
	if err != nil {
		return nil, err
	}
	resources, tags := 0, 0
	for r, err := range s.all(ctx, from, wanted(in.ResourceTypeFilters)) {
		if err != nil {
			return nil, err
		}
		if !satisfies(r.Tags, in.TagFilters) {
			continue
		}
		resources++
		tags += max(1, len(r.Tags))
		if in.TagsPerPage.Set && tags > int(in.TagsPerPage.V) && resources > 1 ||
			resources > int(in.ResourcesPerPage.Or(pageSize)) && (in.ResourcesPerPage.Set || !in.TagsPerPage.Set) {
			out.PaginationToken = s.token(from)
			break
		}
		from = place{Of: "GetResources", Type: r.kind, After: strings.Clone(r.ARN)}
		show(r.Tagged)
	}
	return out, nil
}

// each shows those of the ARNs that there are.
func (s *Service) each(ctx context.Context, arns []string, show func(resource.Tagged)) error {
	here := aws.RequestOf(ctx).Scope
	for i, text := range arns {
		arn, ok := aws.ParseARN(text)
		if !ok {
			return invalid("%s is not a valid ARN.", text)
		}
		t, ok := s.types.Tagged(arn)
		if !ok || !local(arn, here) || slices.Contains(arns[:i], text) {
			continue
		}
		tags, err := t.Tags.Get(ctx, arn)
		if resource.Is(err, resource.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if len(tags) > 0 {
			show(resource.Tagged{ARN: text, Tags: tags})
		}
	}
	return nil
}

// local reports whether a resource is of an account and region, or of all regions.
func local(arn aws.ARN, here aws.Scope) bool {
	return (arn.Account == here.Account || arn.Account == "") && (arn.Region == here.Region || arn.Region == "") &&
		arn.Partition == aws.Partition(here.Region)
}

func checkGet(in *resourcegroupstaggingapi.GetResourcesInput) error {
	switch {
	case len(in.ResourceARNList) > 0 && len(in.ResourceTypeFilters) > 0:
		return invalid("ResourceARNList and ResourceTypeFilters cannot be specified in the same request.")
	case len(in.ResourceARNList) > 0 && len(in.TagFilters) > 0:
		return invalid("ResourceARNList and TagFilters cannot be specified in the same request.")
	case len(in.ResourceARNList) > 0 && (in.PaginationToken.V != "" || in.ResourcesPerPage.Set || in.TagsPerPage.Set):
		return invalid("ResourceARNList and pagination parameters cannot be specified in the same request.")
	case in.ResourcesPerPage.Set && (in.ResourcesPerPage.V < 1 || in.ResourcesPerPage.V > 100):
		return invalid("ResourcesPerPage must be between 1 and 100.")
	case in.TagsPerPage.Set && (in.TagsPerPage.V < 100 || in.TagsPerPage.V > 500):
		return invalid("TagsPerPage must be between 100 and 500.")
	case len(in.ResourceTypeFilters) > 100:
		return invalid("ResourceTypeFilters must have at most 100 items.")
	case in.ExcludeCompliantResources.V && !in.IncludeComplianceDetails.V:
		return invalid("ExcludeCompliantResources can be used only if IncludeComplianceDetails is true.")
	}
	for _, f := range in.ResourceTypeFilters {
		service, kind, typed := strings.Cut(f, ":")
		if service == "" || typed && kind == "" || strings.ContainsAny(f, " /*") {
			return invalid("%s is not a valid resource type filter: service[:resourceType] is expected.", f)
		}
	}
	for i, f := range in.TagFilters {
		if f.Key.V == "" {
			return invalid("Each tag filter must contain a key.")
		}
		if slices.ContainsFunc(in.TagFilters[:i], func(o resourcegroupstaggingapi.TagFilter) bool { return o.Key.V == f.Key.V }) {
			return invalid("The key %s is in more than one tag filter.", f.Key.V)
		}
	}
	return nil
}

// wanted says which types filters leave: all where there are none.
func wanted(filters []string) func(*resource.Tags) bool {
	if len(filters) == 0 {
		return everything
	}
	return func(t *resource.Tags) bool {
		return slices.Contains(filters, t.Service) || slices.Contains(filters, t.Service+":"+t.Kind)
	}
}

// satisfies reports whether tags have all that the filters ask for.
func satisfies(tags map[string]string, filters []resourcegroupstaggingapi.TagFilter) bool {
	for _, f := range filters {
		v, ok := tags[f.Key.V]
		if !ok || len(f.Values) > 0 && !slices.Contains(f.Values, v) {
			return false
		}
	}
	return true
}

// GetTagKeys answers the keys of all tags, in order.
func (s *Service) GetTagKeys(ctx context.Context, in *resourcegroupstaggingapi.GetTagKeysInput) (*resourcegroupstaggingapi.GetTagKeysOutput, error) {
	list, next, err := s.words(ctx, "GetTagKeys", in.PaginationToken, func(r tagged, add func(string)) {
		for k := range r.Tags {
			add(k)
		}
	})
	return &resourcegroupstaggingapi.GetTagKeysOutput{TagKeys: list, PaginationToken: next}, err
}

// GetTagValues answers the values that a key has, in order.
func (s *Service) GetTagValues(ctx context.Context, in *resourcegroupstaggingapi.GetTagValuesInput) (*resourcegroupstaggingapi.GetTagValuesOutput, error) {
	list, next, err := s.words(ctx, "GetTagValues", in.PaginationToken, func(r tagged, add func(string)) {
		if v, ok := r.Tags[in.Key]; ok {
			add(v)
		}
	})
	return &resourcegroupstaggingapi.GetTagValuesOutput{TagValues: list, PaginationToken: next}, err
}

const wordsPage = 1000 // keys or values

// words are a page of what the resources' tags have, each once, in order.
func (s *Service) words(ctx context.Context, operation string, token aws.Opt[string], of func(r tagged, add func(string))) (list []string, next aws.Opt[string], err error) {
	from, err := s.place(operation, token)
	if err != nil {
		return nil, next, err
	}
	seen := map[string]bool{}
	for r, err := range s.all(ctx, place{}, everything) {
		if err != nil {
			return nil, next, err
		}
		of(r, func(word string) {
			if word > from.After || from.Of == "" {
				seen[word] = true
			}
		})
	}
	list = slices.AppendSeq([]string{}, maps.Keys(seen))
	slices.Sort(list)
	next = aws.Some("")
	if len(list) > wordsPage {
		list = list[:wordsPage]
		next = s.token(place{Of: operation, After: list[wordsPage-1]})
	}
	return list, next, nil
}
