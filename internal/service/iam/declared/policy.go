package declared

import (
	"context"
	"time"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
)

const managedPolicyType = "AWS::IAM::ManagedPolicy"

// managedPolicy is a managed policy by its properties.
type managedPolicy struct {
	PolicyArn                     string   `json:",omitempty"`
	PolicyId                      string   `json:",omitempty"`
	ManagedPolicyName             string   `json:",omitempty"`
	Description                   string   `json:",omitempty"`
	Path                          string   `json:",omitempty"`
	PolicyDocument                any      `json:",omitempty"` // an object, or its text
	Users                         []string `json:",omitempty"`
	Groups                        []string `json:",omitempty"`
	Roles                         []string `json:",omitempty"`
	AttachmentCount               *int     `json:",omitempty"`
	PermissionsBoundaryUsageCount *int     `json:",omitempty"`
	IsAttachable                  *bool    `json:",omitempty"`
	DefaultVersionId              string   `json:",omitempty"`
	CreateDate                    string   `json:",omitempty"`
	UpdateDate                    string   `json:",omitempty"`
}

type managedPolicies struct{ api iamapi.Client }

func (t managedPolicies) kind() resource.Type {
	return resource.Kind[managedPolicy]{Name: managedPolicyType, Service: "Iam", Create: t.create, Read: t.read, Update: t.update, Delete: t.delete, List: t.list}.Type()
}

func (t managedPolicies) create(ctx context.Context, r resource.Request, desired managedPolicy) (managedPolicy, error) {
	if desired.ManagedPolicyName == "" {
		desired.ManagedPolicyName = r.Name(128)
	}
	path := desired.Path
	if path == "" {
		path = "/"
	}
	_, err := t.api.CreatePolicy(ctx, &iamapi.CreatePolicyInput{
		PolicyName: desired.ManagedPolicyName, Path: aws.Some(path), Description: aws.NonZero(desired.Description), PolicyDocument: resource.JSON(desired.PolicyDocument),
	})
	if err != nil && !(taken(err) && r.Again) {
		return managedPolicy{}, err
	}
	desired.PolicyArn = arnOf(ctx, "policy"+path+desired.ManagedPolicyName)
	return desired, t.settle(ctx, desired)
}

// settle attaches a policy to these users, groups and roles, and to no others.
func (t managedPolicies) settle(ctx context.Context, p managedPolicy) error {
	had, err := t.attached(ctx, p.PolicyArn)
	if err != nil {
		return err
	}
	for _, to := range [...]struct {
		holder
		had, wants []string
	}{{usersOf(t.api), had.Users, p.Users}, {groupsOf(t.api), had.Groups, p.Groups}, {rolesOf(t.api), had.Roles, p.Roles}} {
		for _, name := range differ(to.had, to.wants, equal) {
			if err := unlessGone(to.detach(ctx, name, p.PolicyArn)); err != nil {
				return err
			}
		}
		for _, name := range differ(to.wants, to.had, equal) {
			if err := to.attach(ctx, name, p.PolicyArn); err != nil {
				return err
			}
		}
	}
	return nil
}

// attached is who has a policy.
func (t managedPolicies) attached(ctx context.Context, arn string) (p managedPolicy, err error) {
	_, err = all(func(m aws.Opt[string]) ([]struct{}, aws.Opt[string], error) {
		out, err := t.api.ListEntitiesForPolicy(ctx, &iamapi.ListEntitiesForPolicyInput{
			PolicyArn: arn, PolicyUsageFilter: aws.Some(iamapi.PolicyUsageTypePermissionsPolicy), Marker: m,
		})
		if err != nil {
			return nil, m, err
		}
		for _, u := range out.PolicyUsers {
			p.Users = append(p.Users, u.UserName.V)
		}
		for _, g := range out.PolicyGroups {
			p.Groups = append(p.Groups, g.GroupName.V)
		}
		for _, r := range out.PolicyRoles {
			p.Roles = append(p.Roles, r.RoleName.V)
		}
		return nil, out.Marker, nil
	})
	return p, err
}

func (t managedPolicies) read(ctx context.Context, id managedPolicy) (managedPolicy, error) {
	out, err := t.api.GetPolicy(ctx, &iamapi.GetPolicyInput{PolicyArn: id.PolicyArn})
	if err != nil {
		return managedPolicy{}, missing(err, managedPolicyType, id.PolicyArn)
	}
	p, err := t.attached(ctx, id.PolicyArn)
	if err != nil {
		return managedPolicy{}, missing(err, managedPolicyType, id.PolicyArn)
	}
	text, err := t.text(ctx, out.Policy)
	if err != nil {
		return managedPolicy{}, missing(err, managedPolicyType, id.PolicyArn)
	}
	attachments, bounds := int(out.Policy.AttachmentCount.V), int(out.Policy.PermissionsBoundaryUsageCount.V)
	p.PolicyArn, p.PolicyId, p.ManagedPolicyName, p.Path = out.Policy.Arn.V, out.Policy.PolicyId.V, out.Policy.PolicyName.V, out.Policy.Path.V
	p.Description, p.PolicyDocument, p.DefaultVersionId = out.Policy.Description.V, document(text), out.Policy.DefaultVersionId.V
	p.AttachmentCount, p.PermissionsBoundaryUsageCount, p.IsAttachable = &attachments, &bounds, &out.Policy.IsAttachable.V
	p.CreateDate, p.UpdateDate = out.Policy.CreateDate.V.Format(time.RFC3339), out.Policy.UpdateDate.V.Format(time.RFC3339)
	return p, nil
}

// text is the document of a policy that is in force, as IAM answers it.
func (t managedPolicies) text(ctx context.Context, p *iamapi.Policy) (string, error) {
	v, err := t.api.GetPolicyVersion(ctx, &iamapi.GetPolicyVersionInput{PolicyArn: p.Arn.V, VersionId: p.DefaultVersionId.V})
	if err != nil {
		return "", err
	}
	return v.PolicyVersion.Document.V, nil
}

func (t managedPolicies) update(ctx context.Context, _ resource.Request, before, desired managedPolicy) (managedPolicy, error) {
	arn := before.PolicyArn
	desired.PolicyArn = arn
	out, err := t.api.GetPolicy(ctx, &iamapi.GetPolicyInput{PolicyArn: arn})
	if err != nil {
		return managedPolicy{}, missing(err, managedPolicyType, arn)
	}
	text, err := t.text(ctx, out.Policy)
	if err != nil {
		return managedPolicy{}, err
	}
	if wants := resource.JSON(desired.PolicyDocument); wants != resource.JSON(document(text)) {
		if err := t.makeRoom(ctx, arn); err != nil {
			return managedPolicy{}, err
		}
		if _, err := t.api.CreatePolicyVersion(ctx, &iamapi.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: wants, SetAsDefault: aws.Some(true)}); err != nil {
			return managedPolicy{}, err
		}
	}
	return desired, t.settle(ctx, desired)
}

// makeRoom deletes the oldest version of a policy that has as many as it may have.
func (t managedPolicies) makeRoom(ctx context.Context, arn string) error {
	versions, err := t.versions(ctx, arn)
	if err != nil || len(versions) < 5 {
		return err
	}
	for i := len(versions) - 1; i >= 0; i-- {
		if !versions[i].IsDefaultVersion.V {
			_, err := t.api.DeletePolicyVersion(ctx, &iamapi.DeletePolicyVersionInput{PolicyArn: arn, VersionId: versions[i].VersionId.V})
			return unlessGone(err)
		}
	}
	return nil
}

// versions are the versions of a policy, newest first.
func (t managedPolicies) versions(ctx context.Context, arn string) ([]iamapi.PolicyVersion, error) {
	out, err := t.api.ListPolicyVersions(ctx, &iamapi.ListPolicyVersionsInput{PolicyArn: arn})
	if err != nil {
		return nil, err
	}
	return out.Versions, nil
}

func (t managedPolicies) delete(ctx context.Context, r resource.Request, was managedPolicy) error {
	arn := was.PolicyArn
	err := t.settle(ctx, managedPolicy{PolicyArn: arn})
	var versions []iamapi.PolicyVersion
	if err == nil {
		versions, err = t.versions(ctx, arn)
	}
	for _, v := range versions {
		if !v.IsDefaultVersion.V && err == nil {
			_, err = t.api.DeletePolicyVersion(ctx, &iamapi.DeletePolicyVersionInput{PolicyArn: arn, VersionId: v.VersionId.V})
			err = unlessGone(err)
		}
	}
	if err == nil {
		_, err = t.api.DeletePolicy(ctx, &iamapi.DeletePolicyInput{PolicyArn: arn})
	}
	return deleted(err, r, managedPolicyType, arn)
}

func (t managedPolicies) list(ctx context.Context, _ managedPolicy, page resource.Page) (list []managedPolicy, next string, err error) {
	out, err := t.api.ListPolicies(ctx, &iamapi.ListPoliciesInput{
		Scope: aws.Some(iamapi.PolicyScopeTypeLocal), MaxItems: aws.Some(int32(page.Limit)), Marker: aws.NonZero(page.After),
	})
	if err != nil {
		return nil, "", err
	}
	for _, p := range out.Policies {
		list = append(list, managedPolicy{PolicyArn: p.Arn.V})
	}
	return list, out.Marker.V, nil
}
