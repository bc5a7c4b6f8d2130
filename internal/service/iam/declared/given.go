package declared

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
)

// What is here belongs to a user, group or role that is declared elsewhere.

const policyType = "AWS::IAM::Policy"

// policy is an inline policy that is given to several at once. It has an id of its own, by which it is remembered.
type policy struct {
	Id             string   `json:",omitempty"`
	PolicyName     string   `json:",omitempty"`
	PolicyDocument any      `json:",omitempty"` // an object, or its text
	Users          []string `json:",omitempty"`
	Groups         []string `json:",omitempty"`
	Roles          []string `json:",omitempty"`
}

func (p *policy) kept() Kept {
	return Kept{Name: p.PolicyName, Users: p.Users, Groups: p.Groups, Roles: p.Roles}
}

type policies struct {
	api    iamapi.Client
	memory Memory
}

func (t policies) kind() resource.Type {
	return resource.Kind[policy]{Name: policyType, Service: "Iam", Create: t.create, Update: t.update, Delete: t.delete}.Type()
}

// move gives those in wants the policy, and takes it from those in had that are not among them.
func (t policies) move(ctx context.Context, had Kept, wants *policy) error {
	for _, to := range [...]struct {
		holder
		had, wants []string
	}{{usersOf(t.api), had.Users, wants.Users}, {groupsOf(t.api), had.Groups, wants.Groups}, {rolesOf(t.api), had.Roles, wants.Roles}} {
		for _, name := range to.wants {
			if err := to.put(ctx, name, wants.PolicyName, resource.JSON(wants.PolicyDocument)); err != nil {
				return err
			}
		}
		left := to.had
		if had.Name == wants.PolicyName {
			left = differ(to.had, to.wants, equal)
		}
		for _, name := range left {
			if err := unlessGone(to.drop(ctx, name, had.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t policies) create(ctx context.Context, r resource.Request, desired policy) (policy, error) {
	desired.Id = r.Name(64)
	if err := t.move(ctx, Kept{}, &desired); err != nil {
		return policy{}, err
	}
	return desired, t.memory.Remember(ctx, policyType, desired.Id, desired.kept())
}

func (t policies) update(ctx context.Context, _ resource.Request, before, desired policy) (policy, error) {
	had, ok, err := t.memory.Recall(ctx, policyType, before.Id)
	if err == nil && !ok {
		err = resource.Missing(policyType, before.Id)
	}
	if err == nil {
		err = t.move(ctx, had, &desired)
	}
	if err != nil {
		return policy{}, err
	}
	desired.Id = before.Id
	return desired, t.memory.Remember(ctx, policyType, desired.Id, desired.kept())
}

func (t policies) delete(ctx context.Context, r resource.Request, was policy) error {
	had, ok, err := t.memory.Recall(ctx, policyType, was.Id)
	if err != nil || !ok {
		return forgotten(err, r, policyType, was.Id)
	}
	if err := t.move(ctx, had, &policy{PolicyName: had.Name}); err != nil {
		return err
	}
	return t.memory.Forget(ctx, policyType, was.Id)
}

// forgotten is what deleting answers that is not remembered.
func forgotten(err error, r resource.Request, typeName, id string) error {
	if err == nil && !r.Again {
		return resource.Missing(typeName, id)
	}
	return err
}

// inlineOf is an inline policy of one user, group or role.
type inlineOf interface {
	parts() (name, policy *string, document *any)
}

type userPolicy struct {
	UserName       string `json:",omitempty"`
	PolicyName     string `json:",omitempty"`
	PolicyDocument any    `json:",omitempty"`
}

type groupPolicy struct {
	GroupName      string `json:",omitempty"`
	PolicyName     string `json:",omitempty"`
	PolicyDocument any    `json:",omitempty"`
}

type rolePolicy struct {
	RoleName       string `json:",omitempty"`
	PolicyName     string `json:",omitempty"`
	PolicyDocument any    `json:",omitempty"`
}

func (p *userPolicy) parts() (*string, *string, *any) {
	return &p.UserName, &p.PolicyName, &p.PolicyDocument
}

func (p *groupPolicy) parts() (*string, *string, *any) {
	return &p.GroupName, &p.PolicyName, &p.PolicyDocument
}

func (p *rolePolicy) parts() (*string, *string, *any) {
	return &p.RoleName, &p.PolicyName, &p.PolicyDocument
}

// inlineKind is the type of the inline policies of users, groups or roles.
func inlineKind(of string, h holder) resource.Type {
	switch of {
	case "User":
		return inlinePolicies[userPolicy, *userPolicy]("AWS::IAM::UserPolicy", h)
	case "Group":
		return inlinePolicies[groupPolicy, *groupPolicy]("AWS::IAM::GroupPolicy", h)
	}
	return inlinePolicies[rolePolicy, *rolePolicy]("AWS::IAM::RolePolicy", h)
}

func inlinePolicies[M any, P interface {
	*M
	inlineOf
}](typeName string, h holder,
) resource.Type {
	read := func(ctx context.Context, id M) (M, error) {
		name, policy, text := P(&id).parts()
		found, err := h.get(ctx, *name, *policy)
		*text = document(found)
		return id, missing(err, typeName, *policy+"|"+*name)
	}
	put := func(ctx context.Context, m M) (M, error) {
		name, policy, text := P(&m).parts()
		return m, h.put(ctx, *name, *policy, resource.JSON(*text))
	}
	return resource.Kind[M]{
		Name: typeName, Service: "Iam", Read: read,
		Create: func(ctx context.Context, r resource.Request, desired M) (M, error) {
			name, policy, _ := P(&desired).parts()
			_, err := h.get(ctx, *name, *policy)
			if err == nil && !r.Again {
				return desired, resource.Exists(typeName, *policy+"|"+*name)
			}
			return put(ctx, desired)
		},
		Update: func(ctx context.Context, _ resource.Request, before, desired M) (M, error) {
			if _, err := read(ctx, before); err != nil {
				return desired, err
			}
			name, policy, _ := P(&before).parts()
			newName, newPolicy, _ := P(&desired).parts()
			*newName, *newPolicy = *name, *policy
			return put(ctx, desired)
		},
		Delete: func(ctx context.Context, r resource.Request, was M) error {
			name, policy, _ := P(&was).parts()
			return deleted(h.drop(ctx, *name, *policy), r, typeName, *policy+"|"+*name)
		},
	}.Type()
}

const accessKeyType = "AWS::IAM::AccessKey"

// accessKey is an access key. Its secret is told when it is made.
type accessKey struct {
	Id              string `json:",omitempty"`
	SecretAccessKey string `json:",omitempty"`
	UserName        string `json:",omitempty"`
	Status          string `json:",omitempty"`
	Serial          *int   `json:",omitempty"`
}

type accessKeys struct {
	api    iamapi.Client
	memory Memory
}

func (t accessKeys) kind() resource.Type {
	return resource.Kind[accessKey]{Name: accessKeyType, Service: "Iam", Create: t.create, Read: t.read, Update: t.update, Delete: t.delete}.Type()
}

// create remembers the key by the request too, so that a request that is tried again makes no other.
func (t accessKeys) create(ctx context.Context, r resource.Request, desired accessKey) (accessKey, error) {
	if made, ok, err := t.memory.Recall(ctx, accessKeyType, r.Token); err != nil {
		return accessKey{}, err
	} else if ok && r.Again {
		desired.Id = made.Name
		return desired, t.setStatus(ctx, desired)
	}
	out, err := t.api.CreateAccessKey(ctx, &iamapi.CreateAccessKeyInput{UserName: aws.Some(desired.UserName)})
	if err != nil {
		return accessKey{}, err
	}
	desired.Id, desired.SecretAccessKey = out.AccessKey.AccessKeyId, out.AccessKey.SecretAccessKey
	if err := t.memory.Remember(ctx, accessKeyType, r.Token, Kept{Name: desired.Id}); err != nil {
		return accessKey{}, err
	}
	if err := t.memory.Remember(ctx, accessKeyType, desired.Id, Kept{Name: r.Token, Users: []string{desired.UserName}, Serial: desired.Serial}); err != nil {
		return accessKey{}, err
	}
	return desired, t.setStatus(ctx, desired)
}

func (t accessKeys) setStatus(ctx context.Context, k accessKey) error {
	status := iamapi.StatusType(k.Status)
	if status == "" {
		status = iamapi.StatusTypeActive
	}
	_, err := t.api.UpdateAccessKey(ctx, &iamapi.UpdateAccessKeyInput{UserName: aws.NonZero(k.UserName), AccessKeyId: k.Id, Status: status})
	return missing(err, accessKeyType, k.Id)
}

// find is a key that was made here, and the request that made it.
func (t accessKeys) find(ctx context.Context, id string) (k accessKey, token string, err error) {
	made, ok, err := t.memory.Recall(ctx, accessKeyType, id)
	if err == nil && (!ok || len(made.Users) == 0) {
		err = resource.Missing(accessKeyType, id)
	}
	if err != nil {
		return accessKey{}, "", err
	}
	return accessKey{Id: id, UserName: made.Users[0], Serial: made.Serial}, made.Name, nil
}

func (t accessKeys) read(ctx context.Context, id accessKey) (accessKey, error) {
	k, _, err := t.find(ctx, id.Id)
	if err != nil {
		return accessKey{}, err
	}
	out, err := t.api.ListAccessKeys(ctx, &iamapi.ListAccessKeysInput{UserName: aws.Some(k.UserName)})
	if err != nil {
		return accessKey{}, missing(err, accessKeyType, id.Id)
	}
	for _, m := range out.AccessKeyMetadata {
		if m.AccessKeyId.V == id.Id {
			k.Status = string(m.Status.V)
			return k, nil
		}
	}
	return accessKey{}, resource.Missing(accessKeyType, id.Id)
}

func (t accessKeys) update(ctx context.Context, _ resource.Request, before, desired accessKey) (accessKey, error) {
	k, _, err := t.find(ctx, before.Id)
	if err != nil {
		return accessKey{}, err
	}
	desired.Id, desired.UserName = k.Id, k.UserName
	return desired, t.setStatus(ctx, desired)
}

func (t accessKeys) delete(ctx context.Context, r resource.Request, was accessKey) error {
	k, token, err := t.find(ctx, was.Id)
	if err != nil {
		if r.Again && resource.Is(err, resource.NotFound) {
			return nil
		}
		return err
	}
	if _, err := t.api.DeleteAccessKey(ctx, &iamapi.DeleteAccessKeyInput{UserName: aws.Some(k.UserName), AccessKeyId: k.Id}); unlessGone(err) != nil {
		return err
	}
	if err := t.memory.Forget(ctx, accessKeyType, token); err != nil {
		return err
	}
	return t.memory.Forget(ctx, accessKeyType, k.Id)
}

const additionType = "AWS::IAM::UserToGroupAddition"

// addition is users who are put into a group.
type addition struct {
	Id        string   `json:",omitempty"`
	GroupName string   `json:",omitempty"`
	Users     []string `json:",omitempty"`
}

type additions struct {
	api    iamapi.Client
	memory Memory
}

func (t additions) kind() resource.Type {
	return resource.Kind[addition]{Name: additionType, Service: "Iam", Create: t.create, Read: t.read, Update: t.update, Delete: t.delete}.Type()
}

func (t additions) move(ctx context.Context, had Kept, wants addition) error {
	for _, u := range wants.Users {
		if _, err := t.api.AddUserToGroup(ctx, &iamapi.AddUserToGroupInput{GroupName: wants.GroupName, UserName: u}); err != nil {
			return err
		}
	}
	left := had.Users
	if had.Name == wants.GroupName {
		left = differ(had.Users, wants.Users, equal)
	}
	for _, u := range left {
		if _, err := t.api.RemoveUserFromGroup(ctx, &iamapi.RemoveUserFromGroupInput{GroupName: had.Name, UserName: u}); unlessGone(err) != nil {
			return err
		}
	}
	return nil
}

func (t additions) create(ctx context.Context, r resource.Request, desired addition) (addition, error) {
	desired.Id = r.Name(64)
	if err := t.move(ctx, Kept{}, desired); err != nil {
		return addition{}, err
	}
	return desired, t.memory.Remember(ctx, additionType, desired.Id, Kept{Name: desired.GroupName, Users: desired.Users})
}

func (t additions) read(ctx context.Context, id addition) (addition, error) {
	k, ok, err := t.memory.Recall(ctx, additionType, id.Id)
	if err == nil && !ok {
		err = resource.Missing(additionType, id.Id)
	}
	return addition{id.Id, k.Name, k.Users}, err
}

func (t additions) update(ctx context.Context, _ resource.Request, before, desired addition) (addition, error) {
	had, err := t.read(ctx, before)
	if err != nil {
		return addition{}, err
	}
	desired.Id = before.Id
	if err := t.move(ctx, Kept{Name: had.GroupName, Users: had.Users}, desired); err != nil {
		return addition{}, err
	}
	return desired, t.memory.Remember(ctx, additionType, desired.Id, Kept{Name: desired.GroupName, Users: desired.Users})
}

func (t additions) delete(ctx context.Context, r resource.Request, was addition) error {
	had, ok, err := t.memory.Recall(ctx, additionType, was.Id)
	if err != nil || !ok {
		return forgotten(err, r, additionType, was.Id)
	}
	if err := t.move(ctx, had, addition{GroupName: had.Name}); err != nil {
		return err
	}
	return t.memory.Forget(ctx, additionType, was.Id)
}
