package platform_test

import (
	"testing"

	"github.com/obidos-cloud/obidos/internal/api/stsapi"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/platform"
)

// The key that tokens are sealed with is part of the state: a saved one knows the tokens of its time when it is set back, a new
// life on the same disk those of the last, and an empty one none.
func TestTokensBelongToTheState(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	n := serve(t, open(t, platform.Options{Data: dir}))
	assumed := must[*stsapi.AssumeRoleOutput](t)(stsapi.Client{Invoker: asked(n, model.Query, "test", "test")}.AssumeRole(ctx, &stsapi.AssumeRoleInput{
		RoleArn: "arn:aws:iam::222222222222:role/any", RoleSessionName: "x1",
	}))
	const session, stranger = "arn:aws:sts::222222222222:assumed-role/any/x1", "arn:aws:iam::000000000000:root" // anybody, in open mode
	is := func(what, want string) {
		t.Helper()
		me := must[*stsapi.GetCallerIdentityOutput](t)(stsapi.Client{Invoker: bearing(n, model.Query, assumed.Credentials)}.GetCallerIdentity(ctx, &stsapi.GetCallerIdentityInput{}))
		if me.Arn.V != want {
			t.Errorf("%s the bearer is %s, want %s", what, me.Arn.V, want)
		}
	}
	is("at first", session)
	if _, err := n.SaveSnapshot(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := n.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	is("after a reset", stranger)
	if err := n.RestoreSnapshot(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	is("when the state is set back", session)
	n.stop()
	n = serve(t, open(t, platform.Options{Data: dir}))
	is("after a restart", session)
}
