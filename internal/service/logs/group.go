package logs

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// group is the record of a group.
func (s *Service) group(tx *store.Tx, name string) (groupRecord, error) {
	g, ok := s.tables.groups.Get(tx, name)
	if !ok {
		return g, noGroup()
	}
	return g, nil
}

// change changes a group in a transaction.
func (s *Service) change(ctx context.Context, name string, fn func(g *groupRecord) error) error {
	if err := checkGroupName(name); err != nil {
		return err
	}
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		g, err := s.group(tx, name)
		if err != nil {
			return struct{}{}, err
		}
		was := g
		was.Tags = maps.Clone(g.Tags)
		if err := fn(&g); err != nil {
			return struct{}{}, err
		}
		s.tables.groups.Set(tx, g, name)
		if g.Retention != was.Retention {
			s.retentionBecame(tx, name, &g)
		}
		s.groupBecame(ctx, tx, name, &was, &g)
		return struct{}{}, nil
	})
	return err
}

// groupBecame tells the feed what a group was and is; nil where it was not, or is not any more.
func (s *Service) groupBecame(ctx context.Context, tx *store.Tx, name string, was, is *groupRecord) {
	if !s.o.Changes.Watched(groupType) {
		return
	}
	s.o.Changes.Became(ctx, tx, groupType, groupARN(tx.Scope(), name)+":*", s.groupText(tx, name, was), s.groupText(tx, name, is))
}

// groupText is a group's properties, with what is set for it alone now; empty where there is none.
func (s *Service) groupText(tx *store.Tx, name string, g *groupRecord) string {
	if g == nil {
		return ""
	}
	m := modelOf(tx.Scope(), name, *g)
	m.setOwn(s.OwnOf(tx, name, g.ruled()))
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // it is made of what was JSON, strings and numbers
	}
	return string(b)
}

// CreateLogGroup is logs:CreateLogGroup.
func (s *Service) CreateLogGroup(ctx context.Context, in *logsapi.CreateLogGroupInput) (*logsapi.CreateLogGroupOutput, error) {
	if err := checkGroupName(in.LogGroupName); err != nil {
		return nil, err
	}
	if strings.HasPrefix(strings.ToLower(in.LogGroupName), "aws/") {
		return nil, invalid("Log groups starting with AWS/ are reserved for AWS.")
	}
	if err := checkOne(in.LogGroupClass, "logGroupClass"); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if in.KmsKeyId.Set {
		if err := checkKey(in.KmsKeyId.V); err != nil {
			return nil, err
		}
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.CreateLogGroupOutput, error) {
		if s.tables.groups.Has(tx, in.LogGroupName) {
			return nil, logsapi.ResourceAlreadyExistsException("The specified log group already exists")
		}
		g := groupRecord{
			Number: s.tables.number(tx), Created: tx.Now().UnixMilli(), Class: string(in.LogGroupClass.Or(logsapi.LogGroupClassSTANDARD)),
			Key: in.KmsKeyId.V, Protected: in.DeletionProtectionEnabled.V, Tags: in.Tags,
		}
		s.tables.groups.Set(tx, g, in.LogGroupName)
		s.groupBecame(ctx, tx, in.LogGroupName, nil, &g)
		return nil, nil
	})
}

// DeleteLogGroup is logs:DeleteLogGroup.
func (s *Service) DeleteLogGroup(ctx context.Context, in *logsapi.DeleteLogGroupInput) (*logsapi.DeleteLogGroupOutput, error) {
	if err := checkGroupName(in.LogGroupName); err != nil {
		return nil, err
	}
	return store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (*logsapi.DeleteLogGroupOutput, error) {
		g, err := s.group(tx, in.LogGroupName)
		if err != nil {
			return nil, err
		}
		if g.Protected {
			return nil, errProtected(in.LogGroupName)
		}
		s.groupBecame(ctx, tx, in.LogGroupName, &g, nil)
		s.tables.groups.Delete(tx, in.LogGroupName)
		s.tables.deleteGroup(tx, g.Number)
		s.Rules.DeleteGroup(tx, in.LogGroupName, g.Number)
		s.Filters.DeleteGroup(tx, in.LogGroupName, g.Number)
		s.Shapes.DeleteGroup(tx, g.Number)
		s.dues.Cancel(tx, dueKey(&g))
		return nil, nil
	})
}

func errProtected(group string) *aws.Error {
	return logsapi.ValidationException("Log group %s is protected from deletion. Disable its deletion protection first.", group)
}

// PutLogGroupDeletionProtection is logs:PutLogGroupDeletionProtection.
func (s *Service) PutLogGroupDeletionProtection(ctx context.Context, in *logsapi.PutLogGroupDeletionProtectionInput) (*logsapi.PutLogGroupDeletionProtectionOutput, error) {
	name, err := identify(ctx, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	return nil, s.change(ctx, name, func(g *groupRecord) error {
		g.Protected = in.DeletionProtectionEnabled
		return nil
	})
}

// PutRetentionPolicy is logs:PutRetentionPolicy.
func (s *Service) PutRetentionPolicy(ctx context.Context, in *logsapi.PutRetentionPolicyInput) (*logsapi.PutRetentionPolicyOutput, error) {
	if err := checkDays(in.RetentionInDays); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, in.LogGroupName, func(g *groupRecord) error {
		g.Retention = in.RetentionInDays
		return nil
	})
}

// DeleteRetentionPolicy is logs:DeleteRetentionPolicy.
func (s *Service) DeleteRetentionPolicy(ctx context.Context, in *logsapi.DeleteRetentionPolicyInput) (*logsapi.DeleteRetentionPolicyOutput, error) {
	return nil, s.change(ctx, in.LogGroupName, func(g *groupRecord) error {
		g.Retention = 0
		return nil
	})
}

// describe is a group as DescribeLogGroups shows it.
func (s *Service) describe(tx *store.Tx, name string, g groupRecord) logsapi.LogGroup {
	name = strings.Clone(name)
	arn := groupARN(tx.Scope(), name)
	shown := logsapi.LogGroup{
		LogGroupName: aws.Some(name), Arn: aws.Some(arn + ":*"), LogGroupArn: aws.Some(arn),
		CreationTime: aws.Some(g.Created), RetentionInDays: aws.NonZero(g.Retention), MetricFilterCount: aws.Some(s.Metrics(tx, g.Number)),
		StoredBytes: aws.Some(s.tables.size(tx, g.Number)), KmsKeyId: aws.NonZero(g.Key),
		LogGroupClass: aws.Some(logsapi.LogGroupClass(g.Class)), DeletionProtectionEnabled: aws.Some(g.Protected),
	}
	s.Rules.Describe(tx, g.ruled(), &shown)
	return shown
}

// DescribeLogGroups is logs:DescribeLogGroups.
func (s *Service) DescribeLogGroups(ctx context.Context, in *logsapi.DescribeLogGroupsInput) (*logsapi.DescribeLogGroupsOutput, error) {
	if in.LogGroupNamePrefix.Set && in.LogGroupNamePattern.Set {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	if err := checkOne(in.LogGroupClass, "logGroupClass"); err != nil {
		return nil, err
	}
	if err := checkAccounts(ctx, in.IncludeLinkedAccounts, in.AccountIdentifiers); err != nil {
		return nil, err
	}
	if len(in.LogGroupIdentifiers) > 0 {
		if in.LogGroupNamePrefix.Set || in.LogGroupNamePattern.Set || in.LogGroupClass.Set || len(in.AccountIdentifiers) > 0 {
			return nil, invalid("LogGroup identifiers cannot be combined with other filters.")
		}
		return s.describeNamed(ctx, in)
	}
	o := &logsapi.DescribeLogGroupsOutput{LogGroups: []logsapi.LogGroup{}}
	prefix := in.LogGroupNamePrefix.V
	next, err := s.groupsAfter(ctx, in.NextToken, prefix, int(in.Limit.Or(50)), func(tx *store.Tx, name string, g groupRecord) bool {
		if in.LogGroupClass.Set && g.Class != string(in.LogGroupClass.V) ||
			!strings.Contains(name, in.LogGroupNamePattern.V) {
			return false
		}
		l := s.describe(tx, name, g)
		if in.LogGroupNamePattern.Set { // AWS finds these elsewhere, where less is known of them
			l.StoredBytes, l.DeletionProtectionEnabled = aws.Opt[int64]{}, aws.NonZero(g.Protected)
		}
		o.LogGroups = append(o.LogGroups, l)
		return true
	}, func() { o.LogGroups = o.LogGroups[:0] })
	if err != nil {
		return nil, err
	}
	o.NextToken = next
	return o, nil
}

// describeNamed is DescribeLogGroups of the groups that a request identifies, in the order of their names: those that are there.
func (s *Service) describeNamed(ctx context.Context, in *logsapi.DescribeLogGroupsInput) (*logsapi.DescribeLogGroupsOutput, error) {
	after, err := pageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, id := range in.LogGroupIdentifiers {
		name, err := identify(ctx, id)
		if err != nil && !isNoGroup(err) {
			return nil, err
		}
		if name > after {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeLogGroupsOutput, error) {
		o := &logsapi.DescribeLogGroupsOutput{LogGroups: []logsapi.LogGroup{}}
		for _, name := range slices.Compact(names) {
			g, ok := s.tables.groups.Get(tx, name)
			if !ok {
				continue
			}
			if n := len(o.LogGroups); n == int(in.Limit.Or(50)) {
				o.NextToken = pageToken(o.LogGroups[n-1].LogGroupName.V)
				break
			}
			o.LogGroups = append(o.LogGroups, s.describe(tx, name, g))
		}
		return o, nil
	})
}

// groupsAfter gives the groups behind a token, whose names begin with prefix, to show, until limit were shown.
func (s *Service) groupsAfter(ctx context.Context, token aws.Opt[string], prefix string, limit int, show func(tx *store.Tx, name string, g groupRecord) bool, again func()) (next aws.Opt[string], err error) {
	after, err := pageAfter(token)
	if err != nil {
		return next, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (next aws.Opt[string], _ error) {
		again()
		var o store.ScanOptions
		if prefix != "" {
			o.From = []any{prefix}
		}
		if after >= prefix && after != "" {
			o = store.ScanOptions{After: []any{after}}
		}
		shown, last := 0, ""
		for k, g := range s.tables.groups.Scan(tx, o) {
			name := k.String(0)
			if !strings.HasPrefix(name, prefix) {
				break
			}
			if shown == limit {
				return pageToken(last), nil
			}
			if show(tx, name, g) {
				shown++
				last = strings.Clone(name)
			}
		}
		return next, nil
	})
}

// ListLogGroups is logs:ListLogGroups.
func (s *Service) ListLogGroups(ctx context.Context, in *logsapi.ListLogGroupsInput) (*logsapi.ListLogGroupsOutput, error) {
	if err := checkOne(in.LogGroupClass, "logGroupClass"); err != nil {
		return nil, err
	}
	if err := checkAccounts(ctx, in.IncludeLinkedAccounts, in.AccountIdentifiers); err != nil {
		return nil, err
	}
	matches, err := form.GroupPattern(in.LogGroupNamePattern)
	if err != nil {
		return nil, err
	}
	o := &logsapi.ListLogGroupsOutput{LogGroups: []logsapi.LogGroupSummary{}}
	next, err := s.groupsAfter(ctx, in.NextToken, "", int(in.Limit.Or(50)), func(tx *store.Tx, name string, g groupRecord) bool {
		if in.LogGroupClass.Set && g.Class != string(in.LogGroupClass.V) || !matches(name) ||
			len(in.DataSources) > 0 || !hasTags(g.Tags, in.LogGroupTags) {
			return false // no group has data sources: what gives it them is not served
		}
		if len(in.FieldIndexNames) > 0 {
			fields := s.IndexedFields(tx, name, g.ruled())
			if slices.ContainsFunc(in.FieldIndexNames, func(f string) bool { return !slices.Contains(fields, f) }) {
				return false
			}
		}
		name = strings.Clone(name)
		o.LogGroups = append(o.LogGroups, logsapi.LogGroupSummary{
			LogGroupName: aws.Some(name), LogGroupArn: aws.Some(groupARN(tx.Scope(), name)), LogGroupClass: aws.Some(logsapi.LogGroupClass(g.Class)),
		})
		return true
	}, func() { o.LogGroups = o.LogGroups[:0] })
	if err != nil {
		return nil, err
	}
	o.NextToken = next
	return o, nil
}

// hasTags reports whether tags fulfil all filters: the key is there, with one of the values where any are given. A value may
// end or begin with a star.
func hasTags(tags map[string]string, filters []logsapi.TagFilter) bool {
	for _, f := range filters {
		v, ok := tags[f.Key]
		if !ok || len(f.Values) > 0 && !slices.ContainsFunc(f.Values, func(want string) bool { return matchesValue(v, want) }) {
			return false
		}
	}
	return true
}

func matchesValue(v, want string) bool {
	head, open := strings.CutSuffix(want, "*")
	tail, front := strings.CutPrefix(head, "*")
	switch {
	case open && front:
		return strings.Contains(v, tail)
	case open:
		return strings.HasPrefix(v, head)
	case front:
		return strings.HasSuffix(v, tail)
	}
	return v == want
}
