package auth_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/auth"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/policy"
	"github.com/obidos-cloud/obidos/internal/model"
)

// EC2's denials say nothing but to those who may have their message decoded.
func TestEncodedMessages(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	user := &auth.Identity{
		Kind: auth.User, Account: account, ARN: alice.ARN, ID: alice.UserID, Name: "alice",
		Policies: []policy.Source{source(t, `{"Version":"2012-10-17","Statement":{"Sid":"Never","Effect":"Deny","Action":"ec2:StartInstances","Resource":"*"}}`)},
	}
	sessions := auth.NewSessions(installation(t))
	guard := auth.NewGuard(auth.GuardOptions{Directory: people{user.ARN: user}, Clock: stopped{}, Seal: sessions.Seal})
	ctx = aws.WithRequest(ctx, &aws.Request{Scope: aws.Scope{Account: account, Region: "eu-west-1"}, Principal: aws.Principal{Account: account, ARN: user.ARN, UserID: user.ID}})
	ec2 := &model.Service{
		Name: "ec2", SigningName: "ec2", Protocols: []model.Protocol{model.EC2}, Operations: []model.Operation{{Name: "StartInstances"}, {Name: "StopInstances"}},
		Authorization: "StopInstances ec2:StopInstances ec2:Region='eu-west-1'\nStartInstances ec2:StartInstances ec2:Region='eu-west-1'\n",
	}
	for i := range ec2.Operations {
		ec2.Operations[i].Service = ec2
	}
	instance := "arn:aws:ec2:eu-west-1:" + account + ":instance/i-1"
	for operation, deny := range map[string]bool{"StopInstances": false, "StartInstances": true} {
		err := guard.Authorize(ctx, &auth.Call{Operation: ec2.Operation(operation), Resources: []string{instance}})
		denial, ok := errors.AsType[*aws.Error](err)
		if !ok {
			t.Fatalf("%s: %v", operation, err)
		}
		said, sealed, ok := strings.Cut(denial.Message, " Encoded authorization failure message: ")
		if !ok || said != "You are not authorized to perform this operation." || strings.Contains(sealed, "alice") {
			t.Fatalf("%s: %s", operation, denial.Message)
		}
		text, err := sessions.Unseal(ctx, account, sealed)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		matched := ""
		if deny {
			matched = `{"statementId":"Never","effect":"DENY"}`
		}
		if err := json.Unmarshal([]byte(`{"allowed":false,"explicitDeny":`+map[bool]string{true: "true", false: "false"}[deny]+`,"matchedStatements":{"items":[`+matched+`]},"failures":{"items":[]},
			"context":{"principal":{"id":"`+user.ID+`","name":"alice","arn":"`+user.ARN+`"},"action":"ec2:`+operation+`","resource":"`+instance+`","conditions":{"items":[{"key":"ec2:Region","values":{"items":[{"value":"eu-west-1"}]}}]}}}`), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s", operation, text)
		}
	}
}
