package logs

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// The types of resource that the service offers.
const (
	groupType  = "AWS::Logs::LogGroup"
	streamType = "AWS::Logs::LogStream"
)

// Types are the service's types of resource. What is done to one is done through api, as whoever asks for it.
func (s *Service) Types(api logsapi.Client) []resource.Type {
	groups, streams := groupResources{s, api}, streamResources{api}
	return slices.Concat([]resource.Type{
		resource.Kind[groupModel]{
			Name: groupType, Service: "CloudWatchLogs",
			Create: groups.create, Read: groups.read, Update: groups.update, Delete: groups.delete, List: groups.list,
			Tags: &resource.Tags{
				Service: "logs", Kind: "log-group", Match: func(a aws.ARN) bool { _, _, ok := parseGroupARN(a.String()); return ok },
				List: s.taggedGroups, Get: s.groupTags, Add: groups.tag, Remove: groups.untag,
			},
		}.Type(),
		resource.Kind[streamModel]{
			Name: streamType, Service: "CloudWatchLogs",
			Create: streams.create, Read: streams.read, Delete: streams.delete, List: streams.list,
		}.Type(),
	}, s.Shapes.Kinds(api), s.Filters.Types(api), s.DeliveryTypes(api), s.PolicyTypes(api))
}

// groupModel is a group by its properties.
type groupModel struct {
	LogGroupName              string     `json:",omitempty"`
	Arn                       string     `json:",omitempty"`
	LogGroupClass             string     `json:",omitempty"`
	RetentionInDays           *int32     `json:",omitempty"`
	KmsKeyId                  string     `json:",omitempty"`
	DeletionProtectionEnabled *bool      `json:",omitempty"`
	Tags                      []groupTag `json:",omitempty"`

	// Documents: what they say, or a text of it.
	DataProtectionPolicy   any   `json:",omitempty"`
	FieldIndexPolicies     []any `json:",omitempty"` // one at most
	ResourcePolicyDocument any   `json:",omitempty"`

	BearerTokenAuthenticationEnabled *bool `json:",omitempty"` // refused
}

type groupTag = form.Tag

func (m *groupModel) tags() map[string]string {
	tags := make(map[string]string, len(m.Tags))
	for _, t := range m.Tags {
		tags[t.Key] = t.Value
	}
	return tags
}

// unserved is what is asked for and cannot be had.
func (m *groupModel) unserved() error {
	switch {
	case m.BearerTokenAuthenticationEnabled != nil && *m.BearerTokenAuthenticationEnabled:
		return invalid("The property BearerTokenAuthenticationEnabled of a log group is not served.")
	case len(m.FieldIndexPolicies) > 1:
		return invalid("A log group can have one field index policy.")
	}
	return nil
}

// modelOf is the properties of a group.
func modelOf(scope aws.Scope, name string, g groupRecord) groupModel {
	m := groupModel{
		LogGroupName: name, Arn: groupARN(scope, name) + ":*", LogGroupClass: g.Class, KmsKeyId: g.Key,
		DeletionProtectionEnabled: &g.Protected,
	}
	if g.Retention != 0 {
		m.RetentionInDays = &g.Retention
	}
	for _, k := range slices.Sorted(maps.Keys(g.Tags)) {
		m.Tags = append(m.Tags, groupTag{Key: k, Value: g.Tags[k]})
	}
	return m
}

func isNoGroup(err error) bool {
	e, ok := errors.AsType[*aws.Error](err)
	return ok && e.ErrorShape == logsapi.ErrResourceNotFoundException
}

func isThere(err error) bool {
	e, ok := errors.AsType[*aws.Error](err)
	return ok && e.ErrorShape == logsapi.ErrResourceAlreadyExistsException
}

// missing is err; where it says that there is no such thing, the failure of a resource that is missing.
func missing(err error, typeName, id string) error {
	if isNoGroup(err) {
		return resource.Missing(typeName, id)
	}
	return err
}

type groupResources struct {
	*Service
	api logsapi.Client
}

func (t groupResources) create(ctx context.Context, r resource.Request, desired groupModel) (groupModel, error) {
	if err := desired.unserved(); err != nil {
		return groupModel{}, err
	}
	name := desired.LogGroupName
	if name == "" {
		name = r.Name(512)
	}
	in := &logsapi.CreateLogGroupInput{
		LogGroupName: name, KmsKeyId: aws.NonZero(desired.KmsKeyId), LogGroupClass: aws.NonZero(logsapi.LogGroupClass(desired.LogGroupClass)),
		Tags: desired.tags(),
	}
	if desired.DeletionProtectionEnabled != nil {
		in.DeletionProtectionEnabled = aws.Some(*desired.DeletionProtectionEnabled)
	}
	maps.Copy(in.Tags, r.Tags)
	if len(in.Tags) == 0 {
		in.Tags = nil
	}
	if _, err := t.api.CreateLogGroup(ctx, in); err != nil && !(r.Again && isThere(err)) {
		if isThere(err) {
			return groupModel{}, resource.Exists(groupType, name)
		}
		return groupModel{}, err
	}
	if desired.RetentionInDays != nil {
		if _, err := t.api.PutRetentionPolicy(ctx, &logsapi.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: *desired.RetentionInDays}); err != nil {
			return groupModel{}, err
		}
	}
	if err := t.putOwn(ctx, name, groupModel{}, desired); err != nil {
		return groupModel{}, err
	}
	desired.LogGroupName, desired.Arn = name, groupARN(aws.RequestOf(ctx).Scope, name)+":*"
	return desired, nil
}

func (t groupResources) read(ctx context.Context, id groupModel) (groupModel, error) {
	out, err := t.api.DescribeLogGroups(ctx, &logsapi.DescribeLogGroupsInput{LogGroupNamePrefix: aws.Some(id.LogGroupName), Limit: aws.Some[int32](1)})
	if err != nil {
		return groupModel{}, err
	}
	if len(out.LogGroups) == 0 || out.LogGroups[0].LogGroupName.V != id.LogGroupName {
		return groupModel{}, resource.Missing(groupType, id.LogGroupName)
	}
	g := out.LogGroups[0]
	tags, err := t.api.ListTagsForResource(ctx, &logsapi.ListTagsForResourceInput{ResourceArn: g.LogGroupArn.V})
	if err != nil {
		return groupModel{}, missing(err, groupType, id.LogGroupName)
	}
	own, _, err := t.own(ctx, id.LogGroupName)
	if err != nil {
		return groupModel{}, missing(err, groupType, id.LogGroupName)
	}
	m := modelOf(aws.RequestOf(ctx).Scope, id.LogGroupName, groupRecord{
		Class: string(g.LogGroupClass.V), Retention: g.RetentionInDays.V, Key: g.KmsKeyId.V, Protected: g.DeletionProtectionEnabled.V, Tags: tags.Tags,
	})
	m.setOwn(own)
	return m, nil
}

func (t groupResources) update(ctx context.Context, r resource.Request, before, desired groupModel) (groupModel, error) {
	name := before.LogGroupName
	if err := desired.unserved(); err != nil {
		return groupModel{}, err
	}
	now, err := t.read(ctx, before)
	if err != nil {
		return groupModel{}, err
	}
	if desired.LogGroupClass != "" && desired.LogGroupClass != now.LogGroupClass {
		return groupModel{}, invalid("The class of a log group cannot be changed.")
	}
	switch desired.KmsKeyId {
	case now.KmsKeyId:
	case "":
		_, err = t.api.DisassociateKmsKey(ctx, &logsapi.DisassociateKmsKeyInput{LogGroupName: aws.Some(name)})
	default:
		_, err = t.api.AssociateKmsKey(ctx, &logsapi.AssociateKmsKeyInput{LogGroupName: aws.Some(name), KmsKeyId: desired.KmsKeyId})
	}
	if err != nil {
		return groupModel{}, missing(err, groupType, name)
	}
	switch has, wants := now.RetentionInDays, desired.RetentionInDays; {
	case wants == nil && has != nil:
		_, err = t.api.DeleteRetentionPolicy(ctx, &logsapi.DeleteRetentionPolicyInput{LogGroupName: name})
	case wants != nil && (has == nil || *has != *wants):
		_, err = t.api.PutRetentionPolicy(ctx, &logsapi.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: *wants})
	}
	if err != nil {
		return groupModel{}, missing(err, groupType, name)
	}
	if protect := desired.DeletionProtectionEnabled != nil && *desired.DeletionProtectionEnabled; protect != *now.DeletionProtectionEnabled {
		if _, err := t.api.PutLogGroupDeletionProtection(ctx, &logsapi.PutLogGroupDeletionProtectionInput{LogGroupIdentifier: name, DeletionProtectionEnabled: protect}); err != nil {
			return groupModel{}, missing(err, groupType, name)
		}
	}
	if err := t.putOwn(ctx, name, now, desired); err != nil {
		return groupModel{}, missing(err, groupType, name)
	}
	wants := desired.tags()
	maps.Copy(wants, r.Tags)
	var gone []string
	for k, v := range before.tags() {
		if is, ok := wants[k]; !ok {
			gone = append(gone, k)
		} else if is == v {
			delete(wants, k)
		}
	}
	arn, _ := aws.ParseARN(groupARN(aws.RequestOf(ctx).Scope, name))
	if len(gone) > 0 {
		slices.Sort(gone)
		if err := t.untag(ctx, arn, gone); err != nil {
			return groupModel{}, missing(err, groupType, name)
		}
	}
	if len(wants) > 0 {
		if err := t.tag(ctx, arn, wants); err != nil {
			return groupModel{}, missing(err, groupType, name)
		}
	}
	desired.LogGroupName, desired.Arn = name, arn.String()+":*"
	return desired, nil
}

func (t groupResources) delete(ctx context.Context, r resource.Request, was groupModel) error {
	_, err := t.api.DeleteLogGroup(ctx, &logsapi.DeleteLogGroupInput{LogGroupName: was.LogGroupName})
	if r.Again && isNoGroup(err) {
		return nil
	}
	return missing(err, groupType, was.LogGroupName)
}

func (t groupResources) list(ctx context.Context, _ groupModel, page resource.Page) (list []groupModel, next string, err error) {
	out, err := t.api.DescribeLogGroups(ctx, &logsapi.DescribeLogGroupsInput{Limit: aws.Some(int32(min(page.Limit, 50))), NextToken: aws.NonZero(page.After)})
	if err != nil {
		return nil, "", err
	}
	for _, g := range out.LogGroups {
		list = append(list, groupModel{LogGroupName: g.LogGroupName.V})
	}
	return list, out.NextToken.V, nil
}

func (t groupResources) tag(ctx context.Context, arn aws.ARN, tags map[string]string) error {
	_, name, _ := parseGroupARN(arn.String())
	_, err := t.api.TagResource(ctx, &logsapi.TagResourceInput{ResourceArn: groupARN(arn.Scope(), name), Tags: tags})
	return err
}

func (t groupResources) untag(ctx context.Context, arn aws.ARN, keys []string) error {
	_, name, _ := parseGroupARN(arn.String())
	_, err := t.api.UntagResource(ctx, &logsapi.UntagResourceInput{ResourceArn: groupARN(arn.Scope(), name), TagKeys: keys})
	return err
}

// taggedGroups are the first groups with tags behind the one of that ARN.
func (s *Service) taggedGroups(ctx context.Context, after string, limit int) ([]resource.Tagged, error) {
	var o store.ScanOptions
	if _, name, ok := parseGroupARN(after); ok {
		o.After = []any{name}
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (list []resource.Tagged, err error) {
		for k, g := range s.tables.groups.Scan(tx, o) {
			if len(list) == limit {
				break
			}
			if len(g.Tags) > 0 {
				list = append(list, resource.Tagged{ARN: groupARN(tx.Scope(), k.String(0)), Tags: g.Tags})
			}
		}
		return list, nil
	})
}

// groupTags are the tags of one group.
func (s *Service) groupTags(ctx context.Context, arn aws.ARN) (map[string]string, error) {
	_, name, _ := parseGroupARN(arn.String())
	return store.View(ctx, s.space, func(tx *store.Tx) (map[string]string, error) {
		g, ok := s.tables.groups.Get(tx.In(arn.Scope()), name)
		if !ok {
			return nil, resource.Missing(groupType, arn.String())
		}
		return g.Tags, nil
	})
}

// streamModel is a stream by its properties.
type streamModel struct {
	LogGroupName  string `json:",omitempty"`
	LogStreamName string `json:",omitempty"`
}

func (m *streamModel) id() string { return m.LogGroupName + "|" + m.LogStreamName }

type streamResources struct{ api logsapi.Client }

func (t streamResources) create(ctx context.Context, r resource.Request, desired streamModel) (streamModel, error) {
	if desired.LogStreamName == "" {
		desired.LogStreamName = r.Name(512)
	}
	_, err := t.api.CreateLogStream(ctx, &logsapi.CreateLogStreamInput{LogGroupName: desired.LogGroupName, LogStreamName: desired.LogStreamName})
	switch {
	case isThere(err) && !r.Again:
		return streamModel{}, resource.Exists(streamType, desired.id())
	case err != nil && !isThere(err):
		return streamModel{}, err
	}
	return desired, nil
}

func (t streamResources) read(ctx context.Context, id streamModel) (streamModel, error) {
	out, err := t.api.DescribeLogStreams(ctx, &logsapi.DescribeLogStreamsInput{
		LogGroupName: aws.Some(id.LogGroupName), LogStreamNamePrefix: aws.Some(id.LogStreamName), Limit: aws.Some[int32](1),
	})
	if err != nil {
		return streamModel{}, missing(err, streamType, id.id())
	}
	if len(out.LogStreams) == 0 || out.LogStreams[0].LogStreamName.V != id.LogStreamName {
		return streamModel{}, resource.Missing(streamType, id.id())
	}
	return id, nil
}

func (t streamResources) delete(ctx context.Context, r resource.Request, was streamModel) error {
	_, err := t.api.DeleteLogStream(ctx, &logsapi.DeleteLogStreamInput{LogGroupName: was.LogGroupName, LogStreamName: was.LogStreamName})
	if r.Again && isNoGroup(err) {
		return nil
	}
	return missing(err, streamType, was.id())
}

func (t streamResources) list(ctx context.Context, like streamModel, page resource.Page) (list []streamModel, next string, err error) {
	out, err := t.api.DescribeLogStreams(ctx, &logsapi.DescribeLogStreamsInput{
		LogGroupName: aws.Some(like.LogGroupName), Limit: aws.Some(int32(min(page.Limit, 50))), NextToken: aws.NonZero(page.After),
	})
	if err != nil {
		return nil, "", missing(err, groupType, like.LogGroupName)
	}
	for _, r := range out.LogStreams {
		list = append(list, streamModel{like.LogGroupName, r.LogStreamName.V})
	}
	return list, out.NextToken.V, nil
}
