package auth

import (
	"encoding/json"
	"strings"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
)

// message is what sts:DecodeAuthorizationMessage tells of a denial, member for member as AWS does.
type message struct {
	Allowed           bool            `json:"allowed"`
	ExplicitDeny      bool            `json:"explicitDeny"`
	MatchedStatements list[statement] `json:"matchedStatements"`
	Failures          list[string]    `json:"failures"`
	Context           situation       `json:"context"`
}

type list[V any] struct {
	Items []V `json:"items"`
}

type statement struct {
	ID     string `json:"statementId"`
	Effect string `json:"effect"`
}

type situation struct {
	Principal  bearer          `json:"principal"`
	Action     string          `json:"action"`
	Resource   string          `json:"resource"`
	Conditions list[condition] `json:"conditions"`
}

type bearer struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	ARN  string `json:"arn"`
}

type condition struct {
	Key    string      `json:"key"`
	Values list[value] `json:"values"`
}

type value struct {
	Value string `json:"value"`
}

// explain appends to a denial the sealed message of why, for services whose denials say nothing else: EC2 alone. It does not keep
// anybody out that the message cannot be made.
func (g *Guard) explain(x *question, d policy.Decision, denial *aws.Error) *aws.Error {
	p := x.q.Principal
	if g.o.Seal == nil || styleOf(x.call.Operation.Service) != ec2Style || p.Account == "" {
		return denial
	}
	m := message{
		ExplicitDeny: d.Effect == policy.ExplicitDeny, MatchedStatements: list[statement]{[]statement{}}, Failures: list[string]{[]string{}},
		Context: situation{
			Principal: bearer{ID: p.UserID, ARN: p.ARN}, Action: x.action.Name, Resource: x.request.Resource, Conditions: list[condition]{[]condition{}},
		},
	}
	if x.identity != nil {
		m.Context.Principal.Name = x.identity.Name
	}
	if m.ExplicitDeny && d.Statement != nil {
		m.MatchedStatements.Items = append(m.MatchedStatements.Items, statement{d.Statement.Sid, "DENY"})
	}
	for _, key := range x.action.Keys {
		c := condition{Key: key}
		for _, v := range x.Key(strings.ToLower(key)).All() {
			c.Values.Items = append(c.Values.Items, value{v})
		}
		if c.Values.Items != nil {
			m.Context.Conditions.Items = append(m.Context.Conditions.Items, c)
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return denial
	}
	sealed, err := g.o.Seal(x.ctx, p.Account, text)
	if err != nil {
		return denial.Because(err)
	}
	denial.Message += " Encoded authorization failure message: " + sealed
	return denial
}
