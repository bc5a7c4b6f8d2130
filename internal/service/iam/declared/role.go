package declared

import (
	"context"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
)

// role is a role by its properties.
type role struct {
	RoleName                 string   `json:",omitempty"`
	RoleId                   string   `json:",omitempty"`
	Arn                      string   `json:",omitempty"`
	Path                     string   `json:",omitempty"`
	AssumeRolePolicyDocument any      `json:",omitempty"` // an object, or its text
	Description              string   `json:",omitempty"`
	MaxSessionDuration       *int     `json:",omitempty"`
	ManagedPolicyArns        []string `json:",omitempty"`
	PermissionsBoundary      string   `json:",omitempty"`
	Policies                 []inline `json:",omitempty"`
	Tags                     []tag    `json:",omitempty"`
}

// session is how long its sessions may last: an hour, where it does not say.
func (r *role) session() int32 {
	if r.MaxSessionDuration == nil {
		return 3600
	}
	return int32(*r.MaxSessionDuration)
}

type roleTypes struct {
	api iamapi.Client
	holder
}

func (t roleTypes) kind(tagged Tagged) resource.Type {
	return resource.Kind[role]{
		Name: roleType, Service: "Iam", Create: t.create, Read: t.read, Update: t.update, Delete: t.delete, List: t.list,
		Tags: &resource.Tags{
			Service: "iam", Kind: "role", Match: func(a aws.ARN) bool { return strings.HasPrefix(a.Resource, "role/") }, List: tagged.List, Get: tagged.Get,
			Add: func(ctx context.Context, a aws.ARN, tags map[string]string) error {
				_, err := t.api.TagRole(ctx, &iamapi.TagRoleInput{RoleName: nameIn(a), Tags: tagList(tags)})
				return missing(err, roleType, nameIn(a))
			},
			Remove: func(ctx context.Context, a aws.ARN, keys []string) error {
				_, err := t.api.UntagRole(ctx, &iamapi.UntagRoleInput{RoleName: nameIn(a), TagKeys: keys})
				return missing(err, roleType, nameIn(a))
			},
		},
	}.Type()
}

func (t roleTypes) create(ctx context.Context, r resource.Request, desired role) (role, error) {
	if desired.RoleName == "" {
		desired.RoleName = r.Name(64)
	}
	out, err := t.api.CreateRole(ctx, &iamapi.CreateRoleInput{
		RoleName: desired.RoleName, Path: aws.NonZero(desired.Path), AssumeRolePolicyDocument: resource.JSON(desired.AssumeRolePolicyDocument),
		Description: aws.Some(desired.Description), MaxSessionDuration: aws.Some(desired.session()),
		PermissionsBoundary: aws.NonZero(desired.PermissionsBoundary), Tags: tagsOf(desired.Tags, r),
	})
	switch {
	case taken(err) && r.Again:
		return t.update(ctx, r, desired, desired)
	case err != nil:
		return role{}, err
	}
	desired.Arn, desired.RoleId = out.Role.Arn, out.Role.RoleId
	return desired, t.settle(ctx, desired.RoleName, desired.Policies, desired.ManagedPolicyArns)
}

func (t roleTypes) read(ctx context.Context, id role) (role, error) {
	out, err := t.api.GetRole(ctx, &iamapi.GetRoleInput{RoleName: id.RoleName})
	if err != nil {
		return role{}, missing(err, roleType, id.RoleName)
	}
	session := int(out.Role.MaxSessionDuration.V)
	r := role{
		RoleName: out.Role.RoleName, RoleId: out.Role.RoleId, Arn: out.Role.Arn, Path: out.Role.Path, Description: out.Role.Description.V,
		AssumeRolePolicyDocument: document(out.Role.AssumeRolePolicyDocument.V), MaxSessionDuration: &session,
		PermissionsBoundary: boundaryARN(out.Role.PermissionsBoundary), Tags: fromTags(out.Role.Tags),
	}
	r.Policies, r.ManagedPolicyArns, err = t.has(ctx, id.RoleName)
	return r, missing(err, roleType, id.RoleName)
}

func (t roleTypes) update(ctx context.Context, r resource.Request, before, desired role) (role, error) {
	name := before.RoleName
	out, err := t.api.GetRole(ctx, &iamapi.GetRoleInput{RoleName: name})
	if err != nil {
		return role{}, missing(err, roleType, name)
	}
	desired.RoleName, desired.Arn, desired.RoleId, desired.Path = name, out.Role.Arn, out.Role.RoleId, out.Role.Path
	_, err = t.api.UpdateRole(ctx, &iamapi.UpdateRoleInput{RoleName: name, Description: aws.Some(desired.Description), MaxSessionDuration: aws.Some(desired.session())})
	if trust := resource.JSON(desired.AssumeRolePolicyDocument); err == nil && trust != resource.JSON(document(out.Role.AssumeRolePolicyDocument.V)) {
		_, err = t.api.UpdateAssumeRolePolicy(ctx, &iamapi.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: trust})
	}
	switch had := boundaryARN(out.Role.PermissionsBoundary); {
	case err != nil || desired.PermissionsBoundary == had:
	case desired.PermissionsBoundary == "":
		_, err = t.api.DeleteRolePermissionsBoundary(ctx, &iamapi.DeleteRolePermissionsBoundaryInput{RoleName: name})
	default:
		_, err = t.api.PutRolePermissionsBoundary(ctx, &iamapi.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: desired.PermissionsBoundary})
	}
	add, remove := retag(out.Role.Tags, tagsOf(desired.Tags, r))
	if err == nil && len(remove) > 0 {
		_, err = t.api.UntagRole(ctx, &iamapi.UntagRoleInput{RoleName: name, TagKeys: remove})
	}
	if err == nil && len(add) > 0 {
		_, err = t.api.TagRole(ctx, &iamapi.TagRoleInput{RoleName: name, Tags: add})
	}
	if err == nil {
		err = t.settle(ctx, name, desired.Policies, desired.ManagedPolicyArns)
	}
	return desired, err
}

func (t roleTypes) delete(ctx context.Context, r resource.Request, was role) error {
	err := t.settle(ctx, was.RoleName, nil, nil)
	if err == nil {
		_, err = t.api.DeleteRole(ctx, &iamapi.DeleteRoleInput{RoleName: was.RoleName})
	}
	return deleted(err, r, roleType, was.RoleName)
}

func (t roleTypes) list(ctx context.Context, _ role, page resource.Page) (list []role, next string, err error) {
	out, err := t.api.ListRoles(ctx, &iamapi.ListRolesInput{MaxItems: aws.Some(int32(page.Limit)), Marker: aws.NonZero(page.After)})
	if err != nil {
		return nil, "", err
	}
	for _, r := range out.Roles {
		list = append(list, role{RoleName: r.RoleName})
	}
	return list, out.Marker.V, nil
}

const linkedRoleType = "AWS::IAM::ServiceLinkedRole"

// linkedRole is a service-linked role by its properties.
type linkedRole struct {
	RoleName       string `json:",omitempty"`
	AWSServiceName string `json:",omitempty"`
	CustomSuffix   string `json:",omitempty"`
	Description    string `json:",omitempty"`
}

type linkedRoles struct{ api iamapi.Client }

func (t linkedRoles) kind() resource.Type {
	return resource.Kind[linkedRole]{Name: linkedRoleType, Service: "Iam", Create: t.create, Read: t.read, Update: t.update, Delete: t.delete}.Type()
}

func (t linkedRoles) create(ctx context.Context, r resource.Request, desired linkedRole) (linkedRole, error) {
	out, err := t.api.CreateServiceLinkedRole(ctx, &iamapi.CreateServiceLinkedRoleInput{
		AWSServiceName: desired.AWSServiceName, CustomSuffix: aws.NonZero(desired.CustomSuffix), Description: aws.NonZero(desired.Description),
	})
	if err == nil {
		desired.RoleName = out.Role.RoleName
		return desired, nil
	}
	if !isCode(err, iamapi.ErrInvalidInputException) {
		return linkedRole{}, err
	}
	// It may be there already: IAM says so as of any other input that is wrong.
	roles, listErr := t.api.ListRoles(ctx, &iamapi.ListRolesInput{PathPrefix: aws.Some("/aws-service-role/" + desired.AWSServiceName + "/")})
	if listErr != nil {
		return linkedRole{}, listErr
	}
	for _, role := range roles.Roles {
		if desired.CustomSuffix == "" || strings.HasSuffix(role.RoleName, "_"+desired.CustomSuffix) {
			if !r.Again {
				return linkedRole{}, resource.Exists(linkedRoleType, role.RoleName)
			}
			desired.RoleName = role.RoleName
			return desired, nil
		}
	}
	return linkedRole{}, err
}

func (t linkedRoles) read(ctx context.Context, id linkedRole) (linkedRole, error) {
	out, err := t.api.GetRole(ctx, &iamapi.GetRoleInput{RoleName: id.RoleName})
	if err != nil {
		return linkedRole{}, missing(err, linkedRoleType, id.RoleName)
	}
	return linkedRole{RoleName: out.Role.RoleName, Description: out.Role.Description.V}, nil
}

func (t linkedRoles) update(ctx context.Context, _ resource.Request, before, desired linkedRole) (linkedRole, error) {
	desired.RoleName = before.RoleName
	_, err := t.api.UpdateRole(ctx, &iamapi.UpdateRoleInput{RoleName: desired.RoleName, Description: aws.Some(desired.Description)})
	return desired, missing(err, linkedRoleType, desired.RoleName)
}

func (t linkedRoles) delete(ctx context.Context, r resource.Request, was linkedRole) error {
	_, err := t.api.DeleteServiceLinkedRole(ctx, &iamapi.DeleteServiceLinkedRoleInput{RoleName: was.RoleName})
	return deleted(err, r, linkedRoleType, was.RoleName)
}

const profileType = "AWS::IAM::InstanceProfile"

// profile is an instance profile by its properties.
type profile struct {
	InstanceProfileName string   `json:",omitempty"`
	Arn                 string   `json:",omitempty"`
	Path                string   `json:",omitempty"`
	Roles               []string `json:",omitempty"`
}

type profiles struct{ api iamapi.Client }

func (t profiles) kind() resource.Type {
	return resource.Kind[profile]{Name: profileType, Service: "Iam", Create: t.create, Read: t.read, Update: t.update, Delete: t.delete, List: t.list}.Type()
}

func (t profiles) create(ctx context.Context, r resource.Request, desired profile) (profile, error) {
	if desired.InstanceProfileName == "" {
		desired.InstanceProfileName = r.Name(128)
	}
	_, err := t.api.CreateInstanceProfile(ctx, &iamapi.CreateInstanceProfileInput{InstanceProfileName: desired.InstanceProfileName, Path: aws.NonZero(desired.Path)})
	if err != nil && !(taken(err) && r.Again) {
		return profile{}, err
	}
	return t.update(ctx, r, desired, desired)
}

func (t profiles) read(ctx context.Context, id profile) (profile, error) {
	out, err := t.api.GetInstanceProfile(ctx, &iamapi.GetInstanceProfileInput{InstanceProfileName: id.InstanceProfileName})
	if err != nil {
		return profile{}, missing(err, profileType, id.InstanceProfileName)
	}
	p := profile{InstanceProfileName: out.InstanceProfile.InstanceProfileName, Arn: out.InstanceProfile.Arn, Path: out.InstanceProfile.Path, Roles: []string{}}
	for _, r := range out.InstanceProfile.Roles {
		p.Roles = append(p.Roles, r.RoleName)
	}
	return p, nil
}

func (t profiles) update(ctx context.Context, _ resource.Request, before, desired profile) (profile, error) {
	now, err := t.read(ctx, before)
	if err != nil {
		return profile{}, err
	}
	for _, r := range differ(now.Roles, desired.Roles, equal) {
		if _, err := t.api.RemoveRoleFromInstanceProfile(ctx, &iamapi.RemoveRoleFromInstanceProfileInput{InstanceProfileName: now.InstanceProfileName, RoleName: r}); unlessGone(err) != nil {
			return profile{}, err
		}
	}
	for _, r := range differ(desired.Roles, now.Roles, equal) {
		if _, err := t.api.AddRoleToInstanceProfile(ctx, &iamapi.AddRoleToInstanceProfileInput{InstanceProfileName: now.InstanceProfileName, RoleName: r}); err != nil {
			return profile{}, err
		}
	}
	now.Roles = desired.Roles
	return now, nil
}

func (t profiles) delete(ctx context.Context, r resource.Request, was profile) error {
	now, err := t.read(ctx, was)
	if err == nil {
		now.Roles = nil
		_, err = t.update(ctx, r, was, now)
	}
	if err == nil {
		_, err = t.api.DeleteInstanceProfile(ctx, &iamapi.DeleteInstanceProfileInput{InstanceProfileName: was.InstanceProfileName})
	}
	if r.Again && resource.Is(err, resource.NotFound) {
		return nil
	}
	return deleted(err, r, profileType, was.InstanceProfileName)
}

func (t profiles) list(ctx context.Context, _ profile, page resource.Page) (list []profile, next string, err error) {
	out, err := t.api.ListInstanceProfiles(ctx, &iamapi.ListInstanceProfilesInput{MaxItems: aws.Some(int32(page.Limit)), Marker: aws.NonZero(page.After)})
	if err != nil {
		return nil, "", err
	}
	for _, p := range out.InstanceProfiles {
		list = append(list, profile{InstanceProfileName: p.InstanceProfileName})
	}
	return list, out.Marker.V, nil
}
