package sqs

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/owner"
)

const (
	maxStatements = 20
	maxActions    = 7
)

// checkPolicy checks a policy that a queue is given, as far as SQS does: what it means is decided where it is enforced.
func checkPolicy(v string, creating bool) error {
	if v == "" {
		return nil
	}
	var p struct {
		Statement json.RawMessage
	}
	if json.Unmarshal([]byte(v), &p) != nil || len(p.Statement) == 0 {
		return sqsapi.InvalidAttributeValue("Invalid value for the parameter Policy.")
	}
	var all []json.RawMessage
	if p.Statement[0] != '[' {
		all = []json.RawMessage{p.Statement}
	} else if json.Unmarshal(p.Statement, &all) != nil {
		return sqsapi.InvalidAttributeValue("Invalid value for the parameter Policy.")
	}
	if len(all) > maxStatements {
		const text = "%d statements were found in the submitted policy, max allowed is %d"
		if creating {
			return invalid(text, len(all), maxStatements)
		}
		return sqsapi.OverLimit(text, len(all), maxStatements)
	}
	for _, raw := range all {
		var one struct{ Effect string }
		if json.Unmarshal(raw, &one) != nil || one.Effect != "Allow" && one.Effect != "Deny" {
			return sqsapi.InvalidAttributeValue("Invalid value for the parameter Policy.")
		}
	}
	return nil
}

// statement is one that AddPermission makes.
type statement struct {
	Sid       string
	Effect    string
	Principal struct{ AWS any }
	Action    any
	Resource  string
}

// policyOf is a queue's policy with its statements apart, so that the others keep their form.
type policyOf struct {
	Version   string `json:",omitempty"`
	ID        string `json:"Id,omitempty"`
	Statement []json.RawMessage
}

func (q *queue) policy() policyOf {
	p := policyOf{Version: "2008-10-17", ID: q.arn + "/SQSDefaultPolicy"}
	v := q.record.Attributes[attrPolicy]
	if v == "" {
		return p
	}
	var loose struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if json.Unmarshal([]byte(v), &loose) != nil {
		return p
	}
	p.Version, p.ID = loose.Version, loose.ID
	if raw := bytes.TrimSpace(loose.Statement); len(raw) > 0 && raw[0] == '[' {
		if json.Unmarshal(raw, &p.Statement) != nil {
			return p
		}
	} else if len(raw) > 0 {
		p.Statement = []json.RawMessage{raw}
	}
	return p
}

func sidOf(raw json.RawMessage) string {
	var s struct{ Sid string }
	if json.Unmarshal(raw, &s) != nil {
		return "" // a statement without an id
	}
	return s.Sid
}

// one is the only element, or all of them.
func one(list []string) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func validLabel(s string) bool { return len(s) <= 80 && validName(s, false) }

// AddPermission adds a statement to the queue's policy.
func (s *Service) AddPermission(ctx context.Context, in *sqsapi.AddPermissionInput) (*sqsapi.AddPermissionOutput, error) {
	switch {
	case !validLabel(in.Label):
		return nil, invalid("Value %s for parameter Label is invalid. Reason: Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.", in.Label)
	case len(in.AWSAccountIds) == 0:
		return nil, missing("AWSAccountId")
	case len(in.Actions) == 0:
		return nil, missing("ActionName")
	case len(in.Actions) > maxActions:
		return nil, sqsapi.OverLimit("%d Actions were found, maximum allowed is %d.", len(in.Actions), maxActions)
	}
	for _, a := range in.AWSAccountIds {
		if !aws.IsAccount(a) {
			return nil, invalid("Value [%s] for parameter PrincipalId is invalid. Reason: Unable to verify.", a)
		}
	}
	var actions []string
	for _, a := range in.Actions {
		if a != "*" && !isAction(a) {
			return nil, invalid("Value SQS:%s for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid actions. ", a)
		}
		actions = append(actions, "SQS:"+a)
	}
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.AddPermissionOutput, error) {
		p := q.policy()
		for _, raw := range p.Statement {
			if sidOf(raw) == in.Label {
				return nil, invalid("Value %s for parameter Label is invalid. Reason: Already exists.", in.Label)
			}
		}
		if len(p.Statement) == maxStatements {
			return nil, sqsapi.OverLimit("%d statements were found in the submitted policy, max allowed is %d", maxStatements+1, maxStatements)
		}
		var principals []string
		for _, a := range slices.Backward(in.AWSAccountIds) { // AWS's order, as far as it has been seen
			principals = append(principals, "arn:"+aws.Partition(q.scope.Region)+":iam::"+a+":root")
		}
		made := statement{Sid: in.Label, Effect: "Allow", Action: one(actions), Resource: q.arn}
		made.Principal.AWS = one(principals)
		raw, err := json.Marshal(made)
		if err != nil {
			return nil, err
		}
		p.Statement = append(p.Statement, raw)
		return &sqsapi.AddPermissionOutput{}, s.setPolicy(ctx, q, b, p)
	})
}

// RemovePermission removes the statement of a label.
func (s *Service) RemovePermission(ctx context.Context, in *sqsapi.RemovePermissionInput) (*sqsapi.RemovePermissionOutput, error) {
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.RemovePermissionOutput, error) {
		p := q.policy()
		before := len(p.Statement)
		p.Statement = slices.DeleteFunc(p.Statement, func(raw json.RawMessage) bool { return sidOf(raw) == in.Label })
		if len(p.Statement) == before {
			return nil, invalid("Value %s for parameter Label is invalid. Reason: can't find label.", in.Label)
		}
		return &sqsapi.RemovePermissionOutput{}, s.setPolicy(ctx, q, b, p)
	})
}

func (s *Service) setPolicy(ctx context.Context, q *queue, b *owner.Batch, p policyOf) error {
	next := q.record
	if next.Attributes = maps.Clone(next.Attributes); next.Attributes == nil {
		next.Attributes = make(map[string]string)
	}
	if len(p.Statement) == 0 {
		delete(next.Attributes, attrPolicy)
	} else {
		v, err := json.Marshal(p)
		if err != nil {
			return err
		}
		next.Attributes[attrPolicy] = string(v)
	}
	s.put(ctx, q, b, next)
	return nil
}

// isAction reports whether a permission can name the action: any of the API.
func isAction(name string) bool {
	return slices.ContainsFunc(sqsapi.API().Operations, func(o model.Operation) bool { return o.Name == name })
}
