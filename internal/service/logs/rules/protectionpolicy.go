package rules

import (
	"context"
	"errors"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/dataprotection"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// checkProtection reads a data protection policy, for the API.
func checkProtection(text string) (*dataprotection.Policy, error) {
	p, err := dataprotection.Parse(text)
	if e, ok := errors.AsType[*dataprotection.Error](err); ok {
		return nil, form.Invalid("%s", e.Message)
	}
	return p, err
}

// checkFindings refuses a policy whose findings would have no place to go.
func (s *Rules) checkFindings(tx *store.Tx, d dataprotection.Destinations) error {
	switch {
	case d.LogGroup != "" && !s.has(tx, strings.TrimSuffix(d.LogGroup, ":*")):
		return form.Invalid("The log group %s that findings are to be sent to does not exist.", d.LogGroup)
	case d.Bucket != "":
		return form.Invalid("The bucket %s that findings are to be sent to does not exist.", d.Bucket)
	case d.Stream != "":
		return form.Invalid("The delivery stream %s that findings are to be sent to does not exist.", d.Stream)
	}
	return nil
}

// PutDataProtectionPolicy is logs:PutDataProtectionPolicy.
func (s *Rules) PutDataProtectionPolicy(ctx context.Context, in *logsapi.PutDataProtectionPolicyInput) (*logsapi.PutDataProtectionPolicyOutput, error) {
	name, err := form.Identify(ctx, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	p, err := checkProtection(in.PolicyDocument)
	if err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutDataProtectionPolicyOutput, error) {
		g, err := s.group(tx, name)
		if err != nil {
			return nil, err
		}
		if !protectable(g) {
			return nil, form.Invalid("Data protection policies are not supported for log groups of class %s.", g.Class)
		}
		if err := s.checkFindings(tx, p.Destinations); err != nil {
			return nil, err
		}
		done := s.groups.Changing(ctx, tx, name)
		s.protectGroup(tx, g, in.PolicyDocument)
		done()
		return &logsapi.PutDataProtectionPolicyOutput{
			LogGroupIdentifier: aws.Some(in.LogGroupIdentifier), PolicyDocument: aws.Some(in.PolicyDocument), LastUpdatedTime: aws.Some(tx.Now().UnixMilli()),
		}, nil
	})
}

// protectable reports whether events of a group can be masked, by its class.
func protectable(g Group) bool {
	return g.Class == string(logsapi.LogGroupClassSTANDARD) || g.Class == string(logsapi.LogGroupClassINFREQUENTACCESS)
}

// protectGroup gives a group a policy, or none.
func (s *Rules) protectGroup(tx *store.Tx, g Group, document string) {
	if !protect(tx, &s.protections, document, g.Number) {
		return
	}
	state, _ := s.states.Get(tx, g.Number)
	state.Protection = string(logsapi.DataProtectionStatusACTIVATED)
	if document == "" {
		state.Protection = string(logsapi.DataProtectionStatusDELETED)
	}
	s.setState(tx, state, g.Number)
}

func (s *Rules) has(tx *store.Tx, group string) bool {
	_, ok := s.groups.Find(tx, group)
	return ok
}

// GetDataProtectionPolicy is logs:GetDataProtectionPolicy. Of a group without one AWS answers nothing but the group.
func (s *Rules) GetDataProtectionPolicy(ctx context.Context, in *logsapi.GetDataProtectionPolicyInput) (*logsapi.GetDataProtectionPolicyOutput, error) {
	name, err := form.Identify(ctx, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetDataProtectionPolicyOutput, error) {
		g, err := s.group(tx, name)
		if err != nil {
			return nil, err
		}
		o := &logsapi.GetDataProtectionPolicyOutput{LogGroupIdentifier: aws.Some(in.LogGroupIdentifier)}
		if r, ok := protection(tx, &s.protections, g.Number); ok {
			o.PolicyDocument, o.LastUpdatedTime = aws.Some(r.Document), aws.Some(r.Updated)
		}
		return o, nil
	})
}

// DeleteDataProtectionPolicy is logs:DeleteDataProtectionPolicy. What came while it held stays masked.
func (s *Rules) DeleteDataProtectionPolicy(ctx context.Context, in *logsapi.DeleteDataProtectionPolicyInput) (*logsapi.DeleteDataProtectionPolicyOutput, error) {
	name, err := form.Identify(ctx, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.DeleteDataProtectionPolicyOutput, error) {
		g, err := s.group(tx, name)
		if err != nil {
			return nil, err
		}
		done := s.groups.Changing(ctx, tx, name)
		s.protectGroup(tx, g, "")
		done()
		return nil, nil
	})
}
