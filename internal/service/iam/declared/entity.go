package declared

import (
	"context"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
)

const (
	userType  = "AWS::IAM::User"
	groupType = "AWS::IAM::Group"
	roleType  = "AWS::IAM::Role"
)

// user is a user by its properties.
type user struct {
	UserName            string        `json:",omitempty"`
	Arn                 string        `json:",omitempty"`
	Path                string        `json:",omitempty"`
	Groups              []string      `json:",omitempty"`
	LoginProfile        *loginProfile `json:",omitempty"`
	ManagedPolicyArns   []string      `json:",omitempty"`
	PermissionsBoundary string        `json:",omitempty"`
	Policies            []inline      `json:",omitempty"`
	Tags                []tag         `json:",omitempty"`
}

type loginProfile struct {
	Password              string `json:",omitempty"`
	PasswordResetRequired *bool  `json:",omitempty"`
}

type userTypes struct {
	api iamapi.Client
	holder
}

func (t userTypes) kind(tagged Tagged) resource.Type {
	return resource.Kind[user]{
		Name: userType, Service: "Iam", Create: t.create, Read: t.read, Update: t.update, Delete: t.delete, List: t.list,
		Tags: &resource.Tags{
			Service: "iam", Kind: "user", Match: func(a aws.ARN) bool { return strings.HasPrefix(a.Resource, "user/") }, List: tagged.List, Get: tagged.Get,
			Add: func(ctx context.Context, a aws.ARN, tags map[string]string) error {
				_, err := t.api.TagUser(ctx, &iamapi.TagUserInput{UserName: nameIn(a), Tags: tagList(tags)})
				return missing(err, userType, nameIn(a))
			},
			Remove: func(ctx context.Context, a aws.ARN, keys []string) error {
				_, err := t.api.UntagUser(ctx, &iamapi.UntagUserInput{UserName: nameIn(a), TagKeys: keys})
				return missing(err, userType, nameIn(a))
			},
		},
	}.Type()
}

// nameIn is the name of a user or role in its ARN.
func nameIn(a aws.ARN) string { return a.Resource[strings.LastIndexByte(a.Resource, '/')+1:] }

func (t userTypes) create(ctx context.Context, r resource.Request, desired user) (user, error) {
	if desired.UserName == "" {
		desired.UserName = r.Name(64)
	}
	out, err := t.api.CreateUser(ctx, &iamapi.CreateUserInput{
		UserName: desired.UserName, Path: aws.NonZero(desired.Path), PermissionsBoundary: aws.NonZero(desired.PermissionsBoundary), Tags: tagsOf(desired.Tags, r),
	})
	switch {
	case taken(err) && r.Again:
		return t.update(ctx, r, desired, desired)
	case err != nil:
		return user{}, err
	}
	desired.Arn = out.User.Arn
	return desired, t.settleUser(ctx, desired)
}

// settleUser gives a user its policies, groups and password.
func (t userTypes) settleUser(ctx context.Context, desired user) error {
	if err := t.settle(ctx, desired.UserName, desired.Policies, desired.ManagedPolicyArns); err != nil {
		return err
	}
	had, err := t.groups(ctx, desired.UserName)
	if err != nil {
		return err
	}
	for _, g := range differ(had, desired.Groups, equal) {
		if _, err := t.api.RemoveUserFromGroup(ctx, &iamapi.RemoveUserFromGroupInput{UserName: desired.UserName, GroupName: g}); unlessGone(err) != nil {
			return err
		}
	}
	for _, g := range differ(desired.Groups, had, equal) {
		if _, err := t.api.AddUserToGroup(ctx, &iamapi.AddUserToGroupInput{UserName: desired.UserName, GroupName: g}); err != nil {
			return err
		}
	}
	l := desired.LoginProfile
	if l == nil {
		_, err := t.api.DeleteLoginProfile(ctx, &iamapi.DeleteLoginProfileInput{UserName: aws.Some(desired.UserName)})
		return unlessGone(err)
	}
	reset := aws.Opt[bool]{}
	if l.PasswordResetRequired != nil {
		reset = aws.Some(*l.PasswordResetRequired)
	}
	_, err = t.api.CreateLoginProfile(ctx, &iamapi.CreateLoginProfileInput{UserName: aws.Some(desired.UserName), Password: aws.NonZero(l.Password), PasswordResetRequired: reset})
	if taken(err) {
		_, err = t.api.UpdateLoginProfile(ctx, &iamapi.UpdateLoginProfileInput{UserName: desired.UserName, Password: aws.NonZero(l.Password), PasswordResetRequired: reset})
	}
	return err
}

func (t userTypes) groups(ctx context.Context, name string) (names []string, err error) {
	groups, err := all(func(m aws.Opt[string]) ([]iamapi.Group, aws.Opt[string], error) {
		out, err := t.api.ListGroupsForUser(ctx, &iamapi.ListGroupsForUserInput{UserName: name, Marker: m})
		if err != nil {
			return nil, m, err
		}
		return out.Groups, out.Marker, nil
	})
	for _, g := range groups {
		names = append(names, g.GroupName)
	}
	return names, err
}

func (t userTypes) read(ctx context.Context, id user) (user, error) {
	out, err := t.api.GetUser(ctx, &iamapi.GetUserInput{UserName: aws.Some(id.UserName)})
	if err != nil {
		return user{}, missing(err, userType, id.UserName)
	}
	u := user{UserName: out.User.UserName.V, Arn: out.User.Arn, Path: out.User.Path.V, Tags: fromTags(out.User.Tags), PermissionsBoundary: boundaryARN(out.User.PermissionsBoundary)}
	if u.Policies, u.ManagedPolicyArns, err = t.has(ctx, id.UserName); err == nil {
		u.Groups, err = t.groups(ctx, id.UserName)
	}
	return u, missing(err, userType, id.UserName)
}

func boundaryARN(b *iamapi.AttachedPermissionsBoundary) string {
	if b == nil {
		return ""
	}
	return b.PermissionsBoundaryArn.V
}

func (t userTypes) update(ctx context.Context, r resource.Request, before, desired user) (user, error) {
	name := before.UserName
	desired.UserName = name
	out, err := t.api.GetUser(ctx, &iamapi.GetUserInput{UserName: aws.Some(name)})
	if err != nil {
		return user{}, missing(err, userType, name)
	}
	path := desired.Path
	if path == "" {
		path = "/"
	}
	if path != out.User.Path.V {
		if _, err := t.api.UpdateUser(ctx, &iamapi.UpdateUserInput{UserName: name, NewPath: aws.Some(path)}); err != nil {
			return user{}, missing(err, userType, name)
		}
	}
	switch desired.PermissionsBoundary {
	case boundaryARN(out.User.PermissionsBoundary):
	case "":
		_, err = t.api.DeleteUserPermissionsBoundary(ctx, &iamapi.DeleteUserPermissionsBoundaryInput{UserName: name})
	default:
		_, err = t.api.PutUserPermissionsBoundary(ctx, &iamapi.PutUserPermissionsBoundaryInput{UserName: name, PermissionsBoundary: desired.PermissionsBoundary})
	}
	add, remove := retag(out.User.Tags, tagsOf(desired.Tags, r))
	if err == nil && len(remove) > 0 {
		_, err = t.api.UntagUser(ctx, &iamapi.UntagUserInput{UserName: name, TagKeys: remove})
	}
	if err == nil && len(add) > 0 {
		_, err = t.api.TagUser(ctx, &iamapi.TagUserInput{UserName: name, Tags: add})
	}
	if err == nil {
		err = t.settleUser(ctx, desired)
	}
	desired.Arn = arnOf(ctx, "user"+path+name)
	return desired, err
}

func (t userTypes) delete(ctx context.Context, r resource.Request, was user) error {
	_, err := t.api.GetUser(ctx, &iamapi.GetUserInput{UserName: aws.Some(was.UserName)})
	if err == nil {
		err = t.settleUser(ctx, user{UserName: was.UserName})
	}
	if err == nil {
		_, err = t.api.DeleteUser(ctx, &iamapi.DeleteUserInput{UserName: was.UserName})
	}
	return deleted(err, r, userType, was.UserName)
}

func (t userTypes) list(ctx context.Context, _ user, page resource.Page) (list []user, next string, err error) {
	out, err := t.api.ListUsers(ctx, &iamapi.ListUsersInput{MaxItems: aws.Some(int32(page.Limit)), Marker: aws.NonZero(page.After)})
	if err != nil {
		return nil, "", err
	}
	for _, u := range out.Users {
		list = append(list, user{UserName: u.UserName.V})
	}
	return list, out.Marker.V, nil
}

// group is a group by its properties.
type group struct {
	GroupName         string   `json:",omitempty"`
	Arn               string   `json:",omitempty"`
	Path              string   `json:",omitempty"`
	ManagedPolicyArns []string `json:",omitempty"`
	Policies          []inline `json:",omitempty"`
}

type groupTypes struct {
	api iamapi.Client
	holder
}

func (t groupTypes) kind() resource.Type {
	return resource.Kind[group]{Name: groupType, Service: "Iam", Create: t.create, Read: t.read, Update: t.update, Delete: t.delete, List: t.list}.Type()
}

func (t groupTypes) create(ctx context.Context, r resource.Request, desired group) (group, error) {
	if desired.GroupName == "" {
		desired.GroupName = r.Name(128)
	}
	out, err := t.api.CreateGroup(ctx, &iamapi.CreateGroupInput{GroupName: desired.GroupName, Path: aws.NonZero(desired.Path)})
	switch {
	case taken(err) && r.Again:
		return t.update(ctx, r, desired, desired)
	case err != nil:
		return group{}, err
	}
	desired.Arn = out.Group.Arn
	return desired, t.settle(ctx, desired.GroupName, desired.Policies, desired.ManagedPolicyArns)
}

func (t groupTypes) read(ctx context.Context, id group) (group, error) {
	out, err := t.api.GetGroup(ctx, &iamapi.GetGroupInput{GroupName: id.GroupName, MaxItems: aws.Some[int32](1)})
	if err != nil {
		return group{}, missing(err, groupType, id.GroupName)
	}
	g := group{GroupName: out.Group.GroupName, Arn: out.Group.Arn, Path: out.Group.Path}
	g.Policies, g.ManagedPolicyArns, err = t.has(ctx, id.GroupName)
	return g, missing(err, groupType, id.GroupName)
}

func (t groupTypes) update(ctx context.Context, _ resource.Request, before, desired group) (group, error) {
	desired.GroupName = before.GroupName
	path := desired.Path
	if path == "" {
		path = "/"
	}
	if _, err := t.api.UpdateGroup(ctx, &iamapi.UpdateGroupInput{GroupName: desired.GroupName, NewPath: aws.Some(path)}); err != nil {
		return group{}, missing(err, groupType, desired.GroupName)
	}
	desired.Arn = arnOf(ctx, "group"+path+desired.GroupName)
	return desired, t.settle(ctx, desired.GroupName, desired.Policies, desired.ManagedPolicyArns)
}

func (t groupTypes) delete(ctx context.Context, r resource.Request, was group) error {
	err := t.settle(ctx, was.GroupName, nil, nil)
	if err == nil {
		_, err = t.api.DeleteGroup(ctx, &iamapi.DeleteGroupInput{GroupName: was.GroupName})
	}
	return deleted(err, r, groupType, was.GroupName)
}

func (t groupTypes) list(ctx context.Context, _ group, page resource.Page) (list []group, next string, err error) {
	out, err := t.api.ListGroups(ctx, &iamapi.ListGroupsInput{MaxItems: aws.Some(int32(page.Limit)), Marker: aws.NonZero(page.After)})
	if err != nil {
		return nil, "", err
	}
	for _, g := range out.Groups {
		list = append(list, group{GroupName: g.GroupName})
	}
	return list, out.Marker.V, nil
}
