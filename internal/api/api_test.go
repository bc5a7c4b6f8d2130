package api_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
)

func TestUnimplementedAnswers501(t *testing.T) {
	var s sqsapi.Service = sqsapi.Unimplemented{}
	op := sqsapi.API().Operation("SendMessage")
	_, err := op.Call(t.Context(), s, op.New())
	if e, ok := err.(*aws.Error); !ok || e.Status != 501 || !strings.Contains(e.Message, "SendMessage of sqs") {
		t.Errorf("%v", err)
	}
}

func TestContracts(t *testing.T) {
	names := map[string]bool{}
	for _, s := range api.All() {
		if names[s.Name] {
			t.Errorf("two services %s", s.Name)
		}
		names[s.Name] = true
		if !slices.IsSortedFunc(s.Operations, func(a, b model.Operation) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s: operations are not sorted", s.Name)
		}
		for i := range s.Operations {
			op := &s.Operations[i]
			if op.Service != s || s.Operation(op.Name) != op {
				t.Errorf("%s: %s is not found", s.Name, op.Name)
			}
			rest := slices.Contains(s.Protocols, model.RestJSON) || slices.Contains(s.Protocols, model.RestXML)
			if rest != (op.URI != "") {
				t.Errorf("%s: %s has URI %q", s.Name, op.Name, op.URI)
			}
			if op.Served() {
				s.StructOf(op.Input)
				s.StructOf(op.Output)
				if reflect.TypeOf(op.New()).Elem() != op.Input {
					t.Errorf("%s: New of %s makes something else", s.Name, op.Name)
				}
			}
		}
		for _, e := range s.Errors {
			if e.Members != nil {
				s.StructOf(e.Members)
			}
		}
		for _, p := range s.Patterns {
			p.Match("")
		}
	}
}

func TestQueryNamesOfSQS(t *testing.T) {
	s := sqsapi.API()
	field := func(op, name string) model.Field {
		for _, f := range s.StructOf(s.Operation(op).Input).Fields {
			if f.Name == name {
				return f
			}
		}
		t.Fatalf("%s has no %s", op, name)
		return model.Field{}
	}
	if f := field("SendMessage", "MessageAttributes"); f.Wire != "MessageAttributes" || f.XML != "MessageAttribute" || !f.Flat || f.KeyName != "Name" || f.ValueName != "Value" {
		t.Errorf("%+v", f)
	}
	if f := field("CreateQueue", "Tags"); f.Wire != "tags" || f.XML != "Tag" || f.KeyName != "Key" {
		t.Errorf("%+v", f)
	}
	if f := field("GetQueueAttributes", "AttributeNames"); f.XML != "AttributeName" || !f.Flat {
		t.Errorf("%+v", f)
	}
	if e := sqsapi.ErrQueueDoesNotExist; e.Code != "QueueDoesNotExist" || e.WireCode() != "AWS.SimpleQueueService.NonExistentQueue" {
		t.Errorf("%+v", e)
	}
}

// An operation that nothing is known of may be performed by nobody: serving one means knowing what IAM is asked before it.
func TestEveryServedOperationHasAnAuthorization(t *testing.T) {
	t.Parallel()
	for _, s := range api.All() {
		for i := range s.Operations {
			op := &s.Operations[i]
			if !op.Served() {
				continue
			}
			auth := model.AuthorizationOf(op)
			if auth == nil {
				t.Errorf("%s: nothing says what IAM is asked before %s: see models/%s.auth and its overlay", s.Name, op.Name, s.Name)
				continue
			}
			in := op.New() // nothing is set in it
			for j := range auth.Actions {
				a := &auth.Actions[j]
				if a.Besides && a.Applies(in) {
					t.Errorf("%s: %s of %s applies to an input that says nothing", s.Name, a.Name, op.Name)
				}
				if arns, _ := a.Resources(nil, in, aws.Scope{Account: aws.DefaultAccount, Region: "eu-west-1"}); len(arns) == 0 || slices.Contains(arns, "") {
					t.Errorf("%s: %s is about %q", s.Name, op.Name, arns)
				}
			}
		}
	}
}
