package model_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/model"
)

type boxTag struct{ Key, Value string }

type boxPart struct {
	Role aws.Opt[string]
	Lid  aws.Opt[string]
}

type boxInput struct {
	BoxName string
	BoxURL  aws.Opt[string]
	Path    aws.Opt[string]
	Role    aws.Opt[string]
	Tags    []boxTag
	Labels  map[string]string
	TagKeys []string
	Size    aws.Opt[int64]
	Sealed  aws.Opt[bool]
	Parts   []boxPart
	Inner   *boxPart
	Shelves map[string]*boxPart
}

func boxes(rules string) *model.Operation {
	s := &model.Service{Name: "box", SigningName: "box", Authorization: `resource box arn:${Partition}:box:${Region}:${Account}:box/${BoxName} aws:ResourceTag/${TagKey}
resource lid arn:${Partition}:box:${Region}:${Account}:box/${BoxName}/lid/${Lid}
resource role arn:${Partition}:iam::${Account}:role/${RoleName}
` + rules}
	s.Fill([]model.Operation{{Name: "Make", Input: reflect.TypeFor[boxInput]()}}, "Other")
	return s.Operation("Make")
}

var here = aws.Scope{Account: "111122223333", Region: "eu-west-1"}

func TestWhatACallIsAbout(t *testing.T) {
	t.Parallel()
	role := "arn:aws:iam::111122223333:role/a/b"
	for _, c := range []struct {
		rule  string
		in    boxInput
		exact bool
		want  []string
	}{
		{"box:Make", boxInput{}, true, []string{"*"}},
		{"box:Make box(?)", boxInput{}, false, []string{"arn:aws:box:eu-west-1:111122223333:box/*"}},
		{"box:Make box(BoxName)", boxInput{BoxName: "b"}, true, []string{"arn:aws:box:eu-west-1:111122223333:box/b"}},
		{"box:Make box(BoxName)", boxInput{}, false, []string{"arn:aws:box:eu-west-1:111122223333:box/*"}},
		{"box:Make box(BoxName)", boxInput{BoxName: "arn:aws:box:us-east-1:999999999999:box/c"}, true, []string{"arn:aws:box:us-east-1:999999999999:box/c"}},
		{"box:Make lid(BoxName,Lid=Inner.Lid)", boxInput{BoxName: "arn:aws:box:eu-west-1:111122223333:box/c", Inner: &boxPart{Lid: aws.Some("l")}}, true, []string{"arn:aws:box:eu-west-1:111122223333:box/c/lid/l"}},
		{"box:Make box(BoxName=*)", boxInput{BoxName: "b"}, false, []string{"arn:aws:box:eu-west-1:111122223333:box/*"}},
		{"box:Make box(BoxName=~BoxName)", boxInput{BoxName: "b"}, false, []string{"arn:aws:box:eu-west-1:111122223333:box/b"}},
		{"box:Make box(BoxName=url:BoxURL)", boxInput{BoxURL: aws.Some("http://localhost:4566/111122223333/b")}, true, []string{"arn:aws:box:eu-west-1:111122223333:box/b"}},
		{"box:Make box(BoxName=host:BoxURL)", boxInput{BoxURL: aws.Some("https://example.com/id/")}, true, []string{"arn:aws:box:eu-west-1:111122223333:box/example.com/id"}},
		{"box:Make box(BoxName,Account=Role)", boxInput{BoxName: "b"}, true, []string{"arn:aws:box:eu-west-1:111122223333:box/b"}},
		{"box:Make box(BoxName,Account=Role)", boxInput{BoxName: "b", Role: aws.Some("444455556666")}, true, []string{"arn:aws:box:eu-west-1:444455556666:box/b"}},
		{"box:Make box(BoxName,Account=Role)", boxInput{BoxName: "b", Role: aws.Some("someone")}, true, []string{"arn:aws:box:eu-west-1:111122223333:box/b"}},
		{"box:Make box(BoxName,Account=Role)", boxInput{Role: aws.Some("444455556666")}, false, []string{"arn:aws:box:eu-west-1:444455556666:box/*"}},
		{"box:Make ?box(?)", boxInput{}, false, []string{"*"}},
		{"box:Make role(RoleName=Path+BoxName)", boxInput{BoxName: "r", Path: aws.Some("/a/")}, true, []string{"arn:aws:iam::111122223333:role/a/r"}},
		{"box:Make role(RoleName=Path+BoxName)", boxInput{BoxName: "r"}, true, []string{"arn:aws:iam::111122223333:role/r"}},
		{"box:Make (=Role)", boxInput{Role: aws.Some(role)}, true, []string{role}},
		{"box:Make role(=Role)|role(RoleName=BoxName)", boxInput{BoxName: "r"}, true, []string{"arn:aws:iam::111122223333:role/r"}},
		{"box:Make role(=Role)|role(RoleName=BoxName)", boxInput{BoxName: "r", Role: aws.Some(role)}, true, []string{role}},
		{"box:Make ?role(=Role)", boxInput{}, true, []string{"*"}},
		{"box:Make box(BoxName) ?role(=Role)", boxInput{BoxName: "b", Role: aws.Some(role)}, true, []string{"arn:aws:box:eu-west-1:111122223333:box/b", role}},
		{"box:Make (=Parts[].Role)", boxInput{Parts: []boxPart{{Role: aws.Some(role)}, {}, {Role: aws.Some(role + "c")}}}, true, []string{role, role + "c"}},
		{"box:Make box(BoxName=Shelves{})", boxInput{Shelves: map[string]*boxPart{"s": {}}}, true, []string{"arn:aws:box:eu-west-1:111122223333:box/s"}},
		{"box:Make box(BoxName=Shelves{})", boxInput{}, false, []string{"arn:aws:box:eu-west-1:111122223333:box/*"}},
		{"box:Make box(BoxName=TagKeys)", boxInput{TagKeys: []string{"a"}}, true, []string{"arn:aws:box:eu-west-1:111122223333:box/a"}},
	} {
		auth := model.AuthorizationOf(boxes("Make " + c.rule + "\n"))
		if auth == nil || len(auth.Actions) != 1 {
			t.Fatalf("%s: %+v", c.rule, auth)
		}
		got, exact := auth.Actions[0].Resources(nil, &c.in, here)
		if !slices.Equal(got, c.want) || exact != c.exact {
			t.Errorf("%s: %v exact %v, want %v", c.rule, got, exact, c.want)
		}
	}
}

func TestWhichActionsACallNeeds(t *testing.T) {
	t.Parallel()
	op := boxes("Make box:Make box(BoxName)\n\t+iam:PassRole (=Role)\n\t?box:Close when(Inner.Lid) box(BoxName)\n\t?box:Tag when(Tags) box(BoxName)\n\t+box:Look\n\tbox:Fresh when(Path) unless(Size)\n")
	for _, c := range []struct {
		in   boxInput
		want []string
	}{
		{boxInput{}, []string{"box:Make"}},
		{boxInput{BoxName: "b", Role: aws.Some("arn:aws:iam::111122223333:role/r"), Tags: []boxTag{}}, []string{"box:Make", "iam:PassRole", "box:Tag"}},
		{boxInput{BoxName: "b", Inner: &boxPart{Lid: aws.Some("")}}, []string{"box:Make", "box:Close"}},
		{boxInput{Path: aws.Some("/")}, []string{"box:Make", "box:Fresh"}},
		{boxInput{Path: aws.Some("/"), Size: aws.Some(int64(1))}, []string{"box:Make"}},
	} {
		var got []string
		for _, a := range model.AuthorizationOf(op).Actions {
			if a.Applies(&c.in) {
				got = append(got, a.Name)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.in, got, c.want)
		}
	}
}

func TestConditionKeysOfACall(t *testing.T) {
	t.Parallel()
	op := boxes("Make box:Make box(BoxName) aws:RequestTag/${TagKey}=Tags aws:TagKeys=Tags box:Label/${Name}=Labels box:Labels=Labels box:Size=Size box:Sealed=Sealed box:Untag=TagKeys box:By='me' box:Lids=Parts[].Lid box:Never\n")
	a := &model.AuthorizationOf(op).Actions[0]
	full := &boxInput{
		Tags: []boxTag{{"Team", "a"}, {"Cost", "b"}}, Labels: map[string]string{"K": "v"}, TagKeys: []string{"x", "y"}, Size: aws.Some(int64(7)),
		Sealed: aws.Some(true), Parts: []boxPart{{Lid: aws.Some("l")}, {}},
	}
	for _, c := range []struct {
		in   *boxInput
		key  string
		one  string
		many []string
		ok   bool
	}{
		{full, "aws:requesttag/team", "a", nil, true},
		{full, "aws:requesttag/other", "", nil, false},
		{full, "aws:tagkeys", "", []string{"Team", "Cost"}, true},
		{full, "box:label/k", "v", nil, true},
		{full, "box:labels", "", []string{"K"}, true},
		{full, "box:size", "7", nil, true},
		{full, "box:sealed", "true", nil, true},
		{full, "box:untag", "", []string{"x", "y"}, true},
		{full, "box:by", "me", nil, true},
		{full, "box:lids", "", []string{"l"}, true},
		{full, "box:never", "", nil, false},
		{full, "aws:sourceip", "", nil, false},
		{&boxInput{}, "aws:tagkeys", "", nil, false},
		{&boxInput{}, "aws:requesttag/team", "", nil, false},
		{&boxInput{}, "box:size", "", nil, false},
		{&boxInput{}, "box:lids", "", nil, false},
	} {
		one, many, ok := a.Value(c.in, c.key)
		if one != c.one || !slices.Equal(many, c.many) || ok != c.ok {
			t.Errorf("%s: %q %q %v, want %+v", c.key, one, many, ok, c)
		}
	}
	want := []string{"aws:ResourceTag/${TagKey}", "aws:RequestTag/${TagKey}", "aws:TagKeys", "box:Label/${Name}", "box:Labels", "box:Size", "box:Sealed", "box:Untag", "box:By", "box:Lids", "box:Never"}
	if !slices.Equal(a.Keys, want) {
		t.Errorf("keys %q, want %q", a.Keys, want)
	}
}

func TestAnOperationNobodyKnowsHasNoAuthorization(t *testing.T) {
	t.Parallel()
	op := boxes("Make box:Make\n")
	if model.AuthorizationOf(op.Service.Operation("Other")) != nil {
		t.Error("Other has one")
	}
	if self := model.AuthorizationOf(boxes("Make @box:Make box(BoxName)\n")); len(self.Actions) != 0 || len(self.Self) != 1 || self.Self[0].Name != "box:Make" {
		t.Errorf("what the service asks by itself: %+v", self)
	}
	open := model.AuthorizationOf(boxes("Make\n"))
	if open == nil || len(open.Actions) != 0 {
		t.Errorf("an operation that needs nothing: %+v", open)
	}
}

func TestLookingUpAnActionAllocatesNothing(t *testing.T) {
	op := boxes("Make box:Make box(BoxName) aws:RequestTag/${TagKey}=Tags box:Name=BoxName\n")
	in := any(&boxInput{BoxName: "b", Tags: []boxTag{{"Team", "a"}}})
	if n := testing.AllocsPerRun(100, func() {
		a := &model.AuthorizationOf(op).Actions[0]
		if !a.Applies(in) {
			t.Error("does not apply")
		}
		for _, key := range []string{"aws:sourceip", "box:name", "aws:requesttag/team"} {
			a.Value(in, key)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAuthorization(b *testing.B) {
	op := boxes("Make box:Make box(BoxName) aws:RequestTag/${TagKey}=Tags box:Name=BoxName\n")
	in := any(&boxInput{BoxName: "b", Tags: []boxTag{{"Team", "a"}}})
	b.Run("keys", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a := &model.AuthorizationOf(op).Actions[0]
			a.Applies(in)
			a.Value(in, "box:name")
			a.Value(in, "aws:requesttag/team")
		}
	})
	b.Run("resources", func(b *testing.B) {
		var arns []string
		b.ReportAllocs()
		for b.Loop() {
			arns, _ = model.AuthorizationOf(op).Actions[0].Resources(arns[:0], in, here)
		}
	})
}
