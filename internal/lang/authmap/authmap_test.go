package authmap_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/authmap"
)

const functions = `# of functions
resource function arn:${Partition}:lambda:${Region}:${Account}:function:${FunctionName} aws:ResourceTag/${TagKey}
resource alias arn:${Partition}:lambda:${Region}:${Account}:function:${FunctionName}:${Alias}

CreateFunction lambda:CreateFunction function(FunctionName) aws:RequestTag/${TagKey}=Tags lambda:Layer=Layers[] lambda:VpcIds
	?lambda:TagResource when(Tags) function(FunctionName)
	+iam:PassRole (=Role) iam:PassedToService='lambda.amazonaws.com'
Invoke lambda:InvokeFunction unless(Qualifier) alias(FunctionName=~Function,Alias=*)|function(=Arn)|function(?) ?alias(FunctionName=url:Config.Url,Alias=Path+Name)
Look
Many !lambda:A function(FunctionName=Functions{})
	!lambda:B function(FunctionName=host:Url)

action lambda:InvokeAsync
`

func TestReadAndWrite(t *testing.T) {
	t.Parallel()
	m, err := authmap.Parse(functions)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Resources) != 2 || len(m.Operations) != 4 || !reflect.DeepEqual(m.Others, []string{"lambda:InvokeAsync"}) {
		t.Fatalf("%+v", m)
	}
	var b strings.Builder
	for _, r := range m.Resources {
		b.WriteString(r.String())
	}
	for _, o := range m.Operations {
		b.WriteString(o.String())
	}
	_, lines, _ := strings.Cut(functions, "\n")
	lines, _, _ = strings.Cut(strings.ReplaceAll(lines, "\n\n", "\n"), "\naction")
	if b.String() != lines+"\n" {
		t.Errorf("written as\n%s\nwant\n%s", b.String(), lines)
	}
	create := m.Operation("CreateFunction").Actions
	if len(create) != 3 || create[1].Mark != '?' || create[1].When != "Tags" || create[2].Targets[0].Alternatives[0].Whole != "Role" || create[2].Keys[0].Literal != "lambda.amazonaws.com" {
		t.Errorf("%+v", create)
	}
	if len(m.Operation("Look").Actions) != 0 || m.Operation("None") != nil || m.Resource("none") != nil {
		t.Error("what is not there is found")
	}
}

func TestOverlays(t *testing.T) {
	t.Parallel()
	m, err := authmap.Parse(functions)
	if err != nil {
		t.Fatal(err)
	}
	err = m.Patch(`# why
resource alias arn:${Partition}:lambda:::${FunctionName}/${Alias}
about CreateFunction alias(Alias=FunctionName)
fill CreateFunction lambda:VpcIds=VpcConfig.VpcId lambda:New=New
also CreateFunction ?lambda:PutPolicy when(Policy)
Look lambda:Look
New lambda:New
self Many
`)
	if err != nil {
		t.Fatal(err)
	}
	want := `CreateFunction lambda:CreateFunction alias(Alias=FunctionName) aws:RequestTag/${TagKey}=Tags lambda:Layer=Layers[] lambda:VpcIds=VpcConfig.VpcId lambda:New=New
	?lambda:TagResource when(Tags) alias(Alias=FunctionName)
	+iam:PassRole (=Role) iam:PassedToService='lambda.amazonaws.com'
	?lambda:PutPolicy when(Policy)
`
	if got := m.Operation("CreateFunction").String(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := m.Operation("Many").String(); got != "Many @lambda:A function(FunctionName=Functions{})\n\t@lambda:B function(FunctionName=host:Url)\n" {
		t.Errorf("asked by the service itself: %s", got)
	}
	if m.Operation("Look").String() != "Look lambda:Look\n" || m.Operation("New") == nil || m.Resource("alias").Template != "arn:${Partition}:lambda:::${FunctionName}/${Alias}" {
		t.Errorf("%+v", m)
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"resource function\n", "line 1: not resource NAME TEMPLATE"},
		{"resource a arn:x\nresource a arn:y\n", "line 2: two resources a"},
		{"resource a sqs:x\n", `"sqs:x" is no ARN`},
		{"resource a arn:${x\n", "a variable has no end"},
		{"\tsqs:A\n", "before the first operation"},
		{"A sqs:A\nA sqs:A\n", "two lines of A"},
		{"A SendMessage\n", "SendMessage is no action"},
		{"A :\n", ": is no action"},
		{"A sqs:A queue(X)\n", "A: no resource queue"},
		{"A sqs:A (X)\n", "without a kind"},
		{"A sqs:A queue(\n", "is no condition key"},
		{"A sqs:A queue(=)\n", "is no path"},
		{"A sqs:A queue(=a..b)\n", "is no path"},
		{"A sqs:A queue(=B)C)\n", "is no path"},
		{"A sqs:A when(a,b)\n", "is no path"},
		{"A sqs:A unless()\n", "is no path"},
		{"A sqs:A sqs:Key=a[]b\n", "is no path"},
		{"A sqs:A key\n", "key is no condition key"},
		{"resource q arn:${V}\nA sqs:A q(W)\n", "q has no ${W}"},
		{"resource q arn:${V}:${W}\nA sqs:A q(V=A[],W=B{})\n", "made of two lists"},
		{"about A queue(?)\n", "about A: no such operation"},
		{"A sqs:A\nfill A (=B)\n", "fill does not change that"},
		{"A sqs:A\nabout A sqs:Key\n", "about does not change that"},
		{"A sqs:A\nself A B\n", "not self NAME"},
		{"A sqs:A\nalso A\n", "also what of which operation?"},
	} {
		_, err := authmap.Parse(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(functions)
	f.Add("A sqs:A\nalso A ?sqs:B when(C)\nabout A (=D)\nfill A sqs:E='f'\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := authmap.Parse(text)
		if err != nil {
			return
		}
		var b strings.Builder
		for _, r := range m.Resources {
			b.WriteString(r.String())
		}
		for _, o := range m.Operations {
			b.WriteString(o.String())
		}
		again, err := authmap.Parse(b.String())
		if err != nil {
			t.Fatalf("%v in what was written of it:\n%s", err, b.String())
		}
		if !reflect.DeepEqual(again.Operations, m.Operations) {
			t.Errorf("%+v read again as %+v", m.Operations, again.Operations)
		}
	})
}
