package auth_test

import (
	"testing"

	"github.com/obidos-cloud/obidos/internal/auth"
)

func TestAccessKeysThatSayNoAccount(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"", "AKIA", "test", "123456789012", "AKIAIOSFODNN7EXAMPLE", // of AWS's first years
		"AKIAQ1EHDGYB54OJUKAB", "akiaqyehdgyb54ojukab", "AIDAQYEHDGYB54OJUKAB", "ASIA7777777777777777", "ASIAQYEHDGYB54OJUKABC",
	} {
		if account, ok := auth.AccountOfAccessKey(id); ok {
			t.Errorf("%q is of account %s", id, account)
		}
	}
}

func TestAccessKeySaysItsAccount(t *testing.T) {
	t.Parallel()
	// What AWS's own documentation of the form (and the tools that read it) say of ids made there.
	for id, want := range map[string]string{"ASIAQNZGKIQY56JQ7WML": "029608264753", "ASIAY34FZKBOKMUTVV7A": "609629065308"} {
		if got, ok := auth.AccountOfAccessKey(id); !ok || got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	seen := map[string]bool{}
	for _, account := range []string{"000000000000", "000000000001", "111111111111", "999999999999"} {
		for range 100 {
			id := auth.NewAccessKeyID(auth.TemporaryKey, account)
			if got, ok := auth.AccountOfAccessKey(id); !ok || got != account || len(id) != 20 || seen[id] {
				t.Fatalf("%s: %s, want %s", id, got, account)
			}
			seen[id] = true
		}
	}
}
