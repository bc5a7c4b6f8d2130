package metric_test

import (
	"fmt"
	"testing"

	"github.com/obidos-cloud/obidos/internal/service/logs/filter/metric"
)

var here = metric.Place{Account: "111111111111", Region: "us-east-1", Group: "/app"}

func some(v float64) *float64 { return &v }

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]metric.Definition{
		"If a filter pattern starts with '{' it must end with '}'":                                      {Pattern: "{ $.a", Value: "1"},
		"Invalid metric transformation: metric value x must be a valid number":                          {Value: "x"},
		"Invalid metric transformation: metric value NaN must be a valid number":                        {Value: "NaN"},
		"Invalid metric transformation: metric value 0x10 must be a valid number":                       {Value: "0x10"},
		"Invalid metric transformation: metric value $.a must be a valid number":                        {Pattern: "ERROR", Value: "$.a"},
		"Invalid metric transformation: metric value $.a[*] must be a valid number":                     {Pattern: "{ $.a = 1 }", Value: "$.a[*]"},
		"The specified filter pattern does not support dimensions":                                      {Pattern: "ERROR", Value: "1", Dimensions: map[string]string{"a": "$.a"}},
		"Invalid metric transformation: dimension value must be valid selector":                         {Pattern: "{ $.a = 1 }", Value: "1", Dimensions: map[string]string{"a": "orders"}},
		"Invalid metric transformation: dimensions and default value are mutually exclusive properties": {Pattern: "{ $.a = 1 }", Value: "1", Default: some(0), Dimensions: map[string]string{"a": "$.a"}},
		"Invalid metric transformation: a metric filter can have at most 3 dimensions":                  {Pattern: "{ $.a = 1 }", Value: "1", Dimensions: map[string]string{"a": "$.a", "b": "$.b", "c": "$.c"}, System: []string{"@aws.region"}},
		"Invalid emitSystemFieldDimensions: @source.log is not one of @aws.account, @aws.region":        {Value: "1", System: []string{"@source.log"}},
		"Invalid emitSystemFieldDimensions: @aws.region is there twice":                                 {Value: "1", System: []string{"@aws.region", "@aws.region"}},
		"Invalid fieldSelectionCriteria: expected =, !=, IN or NOT IN, found end":                       {Value: "1", Criteria: "@aws.region"},
		"Invalid fieldSelectionCriteria: @source.log is not one of @aws.account, @aws.region":           {Value: "1", Criteria: `@source.log = "a"`},
	} {
		if _, err := metric.Compile(&d, here); err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", d, err, want)
		}
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	const nothing = "nothing"
	dims := map[string]string{"A": "$.a", "B": "$.b"}
	for _, c := range []struct {
		d    metric.Definition
		want map[string]string // by message
	}{
		{metric.Definition{Pattern: "ERROR", Value: "3"}, map[string]string{"ERROR": "3 []", "INFO": nothing}},
		{metric.Definition{Pattern: "", Value: "-0.5e1"}, map[string]string{"ERROR": "-5 []", "": "-5 []"}},
		{metric.Definition{Pattern: "ERROR", Value: "3", Default: some(7)}, map[string]string{"ERROR": "3 []", "INFO": "7 []"}},
		{metric.Definition{Pattern: "{ $.p = x }", Value: "$.v", Default: some(7)}, map[string]string{
			`{"p":"x","v":4}`: "4 []", `{"p":"x"}`: "7 []", `{"p":"x","v":null}`: "7 []", `{"p":"x","v":"fast"}`: nothing, `{"p":"x","v":"12.5"}`: "12.5 []", `{"v":1}`: "7 []",
		}},
		{metric.Definition{Pattern: "{ $.p = x }", Value: "$.v"}, map[string]string{`{"p":"x","v":4}`: "4 []", `{"p":"x"}`: nothing, `{"p":"x","v":null}`: nothing}},
		{metric.Definition{Pattern: "[ip, user, ..., status, size]", Value: "$size", Dimensions: map[string]string{"Status": "$status"}}, map[string]string{
			"127.0.0.1 frank x y 200 1534": "1534 [Status 200]", "one two": nothing,
		}},
		// All of them, or none.
		{metric.Definition{Pattern: "{ $.a = * || $.b = * }", Value: "1", Dimensions: dims}, map[string]string{
			`{"a":"alpha","b":"beta"}`: "1 [A alpha B beta]", `{"a":"alpha"}`: "1 []", `{"a":"alpha","b":""}`: "1 []", `{"a":1,"b":"beta"}`: "1 [A 1 B beta]",
		}},
		// The fields of the system are dimensions of what matches alone.
		{metric.Definition{Pattern: "ERROR", Value: "3", Default: some(7), System: []string{"@aws.region", "@aws.account"}}, map[string]string{
			"ERROR": "3 [@aws.account 111111111111 @aws.region us-east-1]", "INFO": "7 []",
		}},
		{metric.Definition{Pattern: "{ $.a = * || $.b = * }", Value: "1", Dimensions: map[string]string{"A": "$.a", "0": "$.b"}, System: []string{"@aws.region"}}, map[string]string{
			`{"a":"alpha","b":"beta"}`: "1 [0 beta @aws.region us-east-1 A alpha]", `{"a":"alpha"}`: "1 [@aws.region us-east-1]",
		}},
	} {
		f, err := metric.Compile(&c.d, here)
		if err != nil {
			t.Errorf("%+v: %v", c.d, err)
			continue
		}
		for message, want := range c.want {
			got := nothing
			if v, dimensions, ok := f.Measure(message); ok {
				got = fmt.Sprint(v, " ", dimensions)
			}
			if got != want {
				t.Errorf("%+v of %s: %s, want %s", c.d, message, got, want)
			}
		}
	}
}

func TestCriteriaChooseWhereEventsComeFrom(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": true, " ": true, `@aws.region = "us-east-1"`: true, `@aws.region NOT IN ["us-east-1"]`: false,
		`@aws.account IN ["111111111111"] AND @aws.region != "eu-west-1"`: true,
	} {
		f, err := metric.Compile(&metric.Definition{Value: "1", Criteria: text}, here)
		if err != nil || (f != nil) != want {
			t.Errorf("%s: %v, %v", text, f != nil, err)
		}
	}
}
