package criteria_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/criteria"
)

func in(account, region string) func(field, value string) bool {
	return func(field, value string) bool {
		return field == "@aws.account" && value == account || field == "@aws.region" && value == region
	}
}

func TestWhatIsNotTheLanguageIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "   ", "@aws.region", `@aws.region "a"`, `@aws.region = a`, `= "a"`, `@aws.region = "a`, `@aws.region IN "a"`,
		`@aws.region IN ["a"`, `@aws.region IN ["a",]`, `@aws.region NOT ["a"]`, `@aws.region = "a" AND`, `OR @aws.region = "a"`,
		`(@aws.region = "a"`, `@aws.region = "a")`, `@aws.region = "a" @aws.region = "b"`, `@aws.region > "a"`, `@aws.region ! = "a"`,
		strings.Repeat("(", 1000) + `a = "b"` + strings.Repeat(")", 1000),
	} {
		_, err := criteria.Parse(text)
		if e, ok := errors.AsType[*criteria.Error](err); !ok || e.Message == "" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCriteria(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`@aws.region = "us-east-1"`:                                                                true,
		`@aws.region != "us-east-1"`:                                                               false,
		`@aws.region = 'us-east-1'`:                                                                true,
		`@aws.account IN ["123456789012", "987654321098"]`:                                         true,
		`@aws.account NOT IN ["123456789012", "987654321098"]`:                                     false,
		`@aws.account in []`:                                                                       false,
		`@aws.account not in []`:                                                                   true,
		`@aws.region NOT IN ["cn-north-1"]`:                                                        true,
		`@aws.account = "123456789012" AND @aws.region = "us-east-1"`:                              true,
		`@aws.account = "1" AND @aws.region = "us-east-1"`:                                         false,
		`@aws.account = "1" OR @aws.region = "us-east-1"`:                                          true,
		`@aws.account = "1" AND @aws.region = "x" OR @aws.region = "us-east-1"`:                    true,
		`@aws.account = "1" AND (@aws.region = "x" OR @aws.region = "us-east-1")`:                  false,
		`((@aws.account = "123456789012") and ((@aws.region = "x") or @aws.region = "us-east-1"))`: true,
		`@aws.account = "123456789012" OR @aws.account = "2" AND @aws.region = "x"`:                true,
		`@aws.none = "1"`:                     false,
		`@aws.account = "\1\2\3456789012"`:    true,
		"@aws.region\n=\t\"us-east-1\"\r\n  ": true,
	} {
		c, err := criteria.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.Match(in("123456789012", "us-east-1")); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestWhatCriteriaAreMadeOfIsTold(t *testing.T) {
	t.Parallel()
	c, err := criteria.Parse(`LogGroupName NOT IN ["/a", "/b"] AND (@aws.region = "x" OR LogGroupName != "c")`)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Fields(); !slices.Equal(got, []string{"@aws.region", "LogGroupName"}) {
		t.Errorf("fields %q", got)
	}
	k := c.Conditions()
	if len(k) != 3 || !k[0].Not || !k[0].List || !slices.Equal(k[0].Values, []string{"/a", "/b"}) || k[1].Not || k[1].List || k[1].Values[0] != "x" || !k[2].Not {
		t.Errorf("conditions %+v", k)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`@aws.region = "us-east-1" AND @aws.account IN ["1", "2"]`, `LogGroupName NOT IN ["/a\"b"]`, `(a = "b" or c != 'd') and e in []`, `((`, `a IN ["`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := criteria.Parse(text)
		if err != nil {
			if err.Error() == "" {
				t.Fatalf("%q: an error that says nothing", text)
			}
			return
		}
		all := c.Conditions()
		if len(all) == 0 {
			t.Fatalf("%q: no condition", text)
		}
		// What holds of no field and of every field is told by the conditions alone where there is one.
		if len(all) == 1 {
			if c.Match(func(_, _ string) bool { return false }) != all[0].Not {
				t.Fatalf("%q: nothing is equal, and it says otherwise", text)
			}
			if len(all[0].Values) > 0 && c.Match(func(_, _ string) bool { return true }) == all[0].Not {
				t.Fatalf("%q: all is equal, and it says otherwise", text)
			}
		}
	})
}
