package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/authmap"
)

// authorizations reads all .auth files with their overlays, by service.
func authorizations(t *testing.T) map[string]*authmap.Map {
	t.Helper()
	all := map[string]*authmap.Map{}
	for _, s := range services {
		m, err := readAuthorization(models, plain(s))
		if err != nil {
			t.Fatal(err)
		}
		all[plain(s)] = m
	}
	return all
}

// referenced are all actions of the reference that the .auth files name: those of operations which have an action, and all others. What no
// action has the name of is only in the operations' lines.
func referenced(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, s := range services {
		data, err := os.ReadFile(filepath.Join(models, plain(s)+".auth"))
		if err != nil {
			t.Fatal(err)
		}
		text, rest, _ := strings.Cut(string(data), "\n# No action of the reference has their name.\n")
		_, rest, _ = strings.Cut(rest, "\n\n")
		m, err := authmap.Parse(text + "\n" + rest)
		if err != nil {
			t.Fatalf("%s.auth: %v", plain(s), err)
		}
		for _, o := range m.Operations {
			for _, a := range o.Actions {
				known[a.Name] = true
			}
		}
		for _, name := range m.Others {
			known[name] = true
		}
	}
	return known
}

func TestEveryOperationHasAnAction(t *testing.T) {
	t.Parallel()
	for service, m := range authorizations(t) {
		tree, err := readModel(models, service)
		if err != nil {
			t.Fatal(err)
		}
		operations := tree.get("operations").members()
		for _, name := range operations {
			if m.Operation(name) == nil {
				t.Errorf("%s: %s has no line in %s.auth", service, name, service)
			}
		}
		for _, o := range m.Operations {
			if !slices.Contains(operations, o.Name) {
				t.Errorf("%s.auth has a line of %s, which is no operation", service, o.Name)
			}
		}
	}
}

// Whoever serves an operation that the reference does not know says in the overlay what it is.
func TestEveryActionIsInTheReference(t *testing.T) {
	t.Parallel()
	known := referenced(t)
	for service, m := range authorizations(t) {
		allow, err := readAllowList(filepath.Join(models, service+".ops"))
		if err != nil {
			t.Fatal(err)
		}
		overlay, err := os.ReadFile(filepath.Join(models, "overlay", service+".auth"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, o := range m.Operations {
			for _, a := range o.Actions {
				newer := strings.HasSuffix(a.Name, ":"+o.Name) && (!slices.Contains(allow.operations, o.Name) || strings.Contains("\n"+string(overlay), "\n"+o.Name+" "))
				if !known[a.Name] && !newer {
					t.Errorf("%s: %s: the reference has no action %s", service, o.Name, a.Name)
				}
			}
		}
	}
}

// A path that a line of the overlay has, or that was found by its name, leads to a member of the input.
func TestEveryPathLeadsToAMember(t *testing.T) {
	t.Parallel()
	for service, m := range authorizations(t) {
		tree, err := readModel(models, service)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range m.Operations {
			input := tree.text("operations", o.Name, "input", "shape")
			for _, a := range o.Actions {
				paths := []string{a.When, a.Unless}
				for _, target := range a.Targets {
					for _, c := range target.Alternatives {
						paths = append(paths, c.Whole)
						for _, b := range c.Binds {
							paths = append(paths, b.Path, b.Prefix)
						}
					}
				}
				for _, k := range a.Keys {
					paths = append(paths, k.Path)
				}
				for _, path := range paths {
					if path != "" && !leads(tree, input, path) {
						t.Errorf("%s: %s: %s: no member %s", service, o.Name, a.Name, path)
					}
				}
			}
		}
	}
}

// leads reports whether a path leads from a shape to a member.
func leads(m *tree, shape, path string) bool {
	for part := range strings.SplitSeq(path, ".") {
		name := strings.TrimSuffix(strings.TrimSuffix(part, "[]"), "{}")
		shape = m.text("shapes", shape, "members", name, "shape")
		kind := m.text("shapes", shape, "type")
		switch {
		case shape == "":
			return false
		case strings.HasSuffix(part, "[]"):
			shape = m.text("shapes", shape, "member", "shape")
			if kind != "list" {
				return false
			}
		case strings.HasSuffix(part, "{}"):
			return kind == "map"
		}
	}
	return true
}

func TestOverlaysOfAuthorizationsSayWhy(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(models, "overlay", "*.auth"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for block := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
			if !strings.HasPrefix(block, "# ") {
				first, _, _ := strings.Cut(block, "\n")
				t.Errorf("%s: no reason stands before %q", f, first)
			}
		}
	}
}

// Operations whose action is not called as they are, that applications have policies about.
func TestActionsUnderOtherNames(t *testing.T) {
	t.Parallel()
	all := authorizations(t)
	for _, c := range []struct{ service, operation, want string }{
		{"apigateway", "GetRestApis", "apigateway:GET"},
		{"apigatewaymanagementapi", "PostToConnection", "execute-api:ManageConnections"},
		{"apigatewayv2", "CreateApi", "apigateway:POST"},
		{"cloudcontrol", "CreateResource", "cloudformation:CreateResource iam:PassRole"},
		{"cloudwatch", "PutMetricData", "cloudwatch:PutMetricData"},
		{"dynamodb", "TransactGetItems", "dynamodb:GetItem"},
		{"dynamodb", "TransactWriteItems", "dynamodb:ConditionCheckItem dynamodb:DeleteItem dynamodb:PutItem dynamodb:UpdateItem"},
		{"dynamodbstreams", "GetRecords", "dynamodb:GetRecords"},
		{"elbv2", "CreateRule", "elasticloadbalancing:CreateRule elasticloadbalancing:AddTags"},
		{"iam", "CreateRole", "iam:CreateRole iam:TagRole"},
		{"kms", "ReEncrypt", "kms:ReEncryptFrom kms:ReEncryptTo"},
		{"lambda", "CreateFunction", "lambda:CreateFunction lambda:TagResource iam:PassRole"},
		{"lambda", "Invoke", "lambda:InvokeFunction"},
		{"opensearch", "CreateDomain", "es:CreateDomain es:AddTags iam:PassRole"},
		{"resourcegroupstaggingapi", "TagResources", "tag:TagResources"},
		{"s3", "GetObject", "s3:GetObject s3:GetObjectVersion"},
		{"s3", "HeadBucket", "s3:ListBucket"},
		{"s3", "ListBuckets", "s3:ListAllMyBuckets"},
		{"s3", "ListObjectsV2", "s3:ListBucket"},
		{"s3", "UploadPart", "s3:PutObject"},
		{"sns", "PublishBatch", "sns:Publish"},
		{"sqs", "ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"},
		{"sqs", "SendMessageBatch", "sqs:SendMessage"},
		{"stepfunctions", "StartExecution", "states:StartExecution"},
		{"sts", "AssumeRole", "sts:AssumeRole sts:TagSession sts:SetSourceIdentity sts:SetContext"},
		{"sts", "GetFederationToken", "sts:GetFederationToken sts:TagSession"},
		{"sts", "GetCallerIdentity", ""},
	} {
		var names []string
		o := all[c.service].Operation(c.operation)
		if o == nil {
			t.Errorf("%s has no %s", c.service, c.operation)
			continue
		}
		for _, a := range o.Actions {
			names = append(names, a.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.operation, c.service, got, c.want)
		}
	}
}
