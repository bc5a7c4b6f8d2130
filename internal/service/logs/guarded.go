package logs

import (
	"context"
	"strings"

	"github.com/obidos-cloud/obidos/internal/service/logs/filter"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/service/logs/rules"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/service/logs/vended"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Resources implements call.Resourcer. AWS asks about a group as about all that is in it, log-group:NAME:log-stream:, so that
// policies must end their resource with :*; only where tags are concerned it is the group alone.
func (s *Service) Resources(ctx context.Context, _ *model.Operation, in any) []string {
	scope := aws.RequestOf(ctx).Scope
	stream := func(group, name string) []string { return []string{streamARN(scope, group, name)} }
	either := func(name, identifier aws.Opt[string]) []string {
		if !name.Set && identifier.Set {
			return stream(nameOf(identifier.V), "")
		}
		return stream(name.V, "")
	}
	itself := func(arn string) []string {
		if _, ok := aws.ParseARN(arn); !ok {
			arn = groupARN(scope, arn) // it is refused
		}
		return []string{arn}
	}
	if arns := rules.About(ctx, in); arns != nil {
		return arns
	}
	switch in := in.(type) {
	case *logsapi.CreateLogGroupInput:
		return stream(in.LogGroupName, "")
	case *logsapi.DeleteLogGroupInput:
		return stream(in.LogGroupName, "")
	case *logsapi.PutRetentionPolicyInput:
		return stream(in.LogGroupName, "")
	case *logsapi.DeleteRetentionPolicyInput:
		return stream(in.LogGroupName, "")
	case *logsapi.PutLogGroupDeletionProtectionInput:
		return stream(nameOf(in.LogGroupIdentifier), "")
	case *logsapi.TagLogGroupInput:
		return stream(in.LogGroupName, "")
	case *logsapi.UntagLogGroupInput:
		return stream(in.LogGroupName, "")
	case *logsapi.ListTagsLogGroupInput:
		return stream(in.LogGroupName, "")
	case *logsapi.TagResourceInput:
		return itself(in.ResourceArn)
	case *logsapi.UntagResourceInput:
		return itself(in.ResourceArn)
	case *logsapi.ListTagsForResourceInput:
		return itself(in.ResourceArn)
	case *logsapi.CreateLogStreamInput:
		return stream(in.LogGroupName, in.LogStreamName)
	case *logsapi.DeleteLogStreamInput:
		return stream(in.LogGroupName, in.LogStreamName)
	case *logsapi.PutLogEventsInput:
		return stream(in.LogGroupName, in.LogStreamName)
	case *logsapi.GetLogEventsInput:
		group := in.LogGroupName.V
		if !in.LogGroupName.Set {
			group = nameOf(in.LogGroupIdentifier.V)
		}
		return stream(group, in.LogStreamName)
	case *logsapi.FilterLogEventsInput:
		return either(in.LogGroupName, in.LogGroupIdentifier)
	case *logsapi.DescribeLogStreamsInput:
		return either(in.LogGroupName, in.LogGroupIdentifier)
	case *logsapi.StartQueryInput:
		groups, err := groupsOf(ctx, in)
		if err != nil {
			return stream("", "") // it is refused
		}
		var all []string
		for _, name := range groups {
			all = append(all, streamARN(scope, name, ""))
		}
		return all
	case *logsapi.CreateExportTaskInput:
		return stream(in.LogGroupName, "")
	case *logsapi.StartLiveTailInput:
		var all []string
		for _, id := range in.LogGroupIdentifiers {
			all = append(all, stream(nameOf(id), "")...)
		}
		return all
	case *logsapi.GetLogRecordInput:
		group, _, _ := readPtr(in.LogRecordPointer)
		return stream(group, "")
	case *logsapi.GetLogGroupFieldsInput:
		return either(in.LogGroupName, in.LogGroupIdentifier)
	case *logsapi.GetQueryResultsInput:
		return s.queried(ctx, in.QueryId)
	case *logsapi.AssociateKmsKeyInput:
		return either(in.LogGroupName, in.ResourceIdentifier)
	case *logsapi.DisassociateKmsKeyInput:
		return either(in.LogGroupName, in.ResourceIdentifier)
	case *logsapi.CreateDeliveryInput:
		return vended.DeliveryResources(scope, in)
	case *logsapi.DescribeLogGroupsInput, *logsapi.ListLogGroupsInput:
		return stream("", "")
	}
	if arns := filter.About(ctx, in); arns != nil {
		return arns
	}
	return s.Shapes.About(ctx, in)
}

// queried are the groups that a query is about; any, where there is no such query.
func (s *Service) queried(ctx context.Context, id string) (arns []string) {
	q, err := store.View(ctx, s.space, func(tx *store.Tx) (queryRecord, error) {
		q, _ := s.tables.queries.Get(tx, id)
		return q, nil
	})
	if err != nil || len(q.Groups) == 0 {
		return []string{streamARN(aws.RequestOf(ctx).Scope, "", "")}
	}
	for _, name := range q.Groups {
		arns = append(arns, streamARN(aws.RequestOf(ctx).Scope, name, ""))
	}
	return arns
}

// nameOf is the name of the group that an identifier says, or what it says where that is none.
func nameOf(identifier string) string {
	return form.NameOf(identifier)
}

// Hold implements auth.Holder: a group's tags, for itself and for what is in it. Resource policies are about services of AWS alone.
func (s *Service) Hold(ctx context.Context, arn string) (auth.Held, error) {
	if a, name, l := s.labelled(arn); l != nil {
		return store.View(within(ctx, a.Scope()), s.space, func(tx *store.Tx) (held auth.Held, _ error) {
			held.Tags, _ = l.Get(tx, name)
			if l.Policy != nil {
				held.Policy = l.Policy(tx, name)
			}
			return held, nil
		})
	}
	a, name, ok := parseGroupARN(arn)
	if !ok || strings.HasPrefix(name, "*") {
		return auth.Held{}, nil
	}
	return store.View(within(ctx, a.Scope()), s.space, func(tx *store.Tx) (auth.Held, error) {
		g, ok := s.tables.groups.Get(tx, name)
		held := auth.Held{Tags: g.Tags}
		if ok && aws.RequestOf(ctx).Principal.Service != "" {
			held.Policy = s.LetIn(tx, name)
		}
		return held, nil
	})
}
