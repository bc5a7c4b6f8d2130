package insights_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/insights"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	tables := map[string]*insights.Table{
		"user_data": {Columns: []string{"id", "name", "email", "department"}, Rows: [][]string{
			{"1", "Ann", "ann@x.org", "Engineering"}, {"2", "Ben", "ben@x.org", ""}, {"1", "Nobody", "", ""},
		}},
		"network_services": {Columns: []string{"ip_address", "port", "service_name", "owner"}, Rows: [][]string{
			{"10.0.0.1", "22", "ssh", "ops"}, {"10.0.0.1", "80", "web", "shop"},
		}},
		"known_hosts": {Columns: []string{"ip_address", "hostname", "region"}, Rows: [][]string{{"10.0.0.1", "one", "eu"}, {"10.0.0.2", "two", "us"}}},
	}
	events := []string{`{"id":1,"action":"in","name":"old"}`, `{"id":"2","action":"out"}`, `{"id":3,"action":"in","name":"kept"}`, `{"action":"none"}`}
	flows := []string{`{"srcAddr":"10.0.0.1","dstPort":22,"hostname":"own"}`, `{"srcAddr":"10.0.0.2","dstPort":80}`, `{"srcAddr":"10.0.0.9","dstPort":1}`}
	for _, c := range []struct {
		messages    []string
		query, want string
	}{
		{
			events, `fields action, status, name, email, department | lookup user_data id OUTPUT name, email, department | sort @timestamp asc`,
			"action=in, name=Ann, email=ann@x.org, department=Engineering; action=out, name=Ben, email=ben@x.org, department=; action=in; action=none",
		},
		{events, `fields id, action | lookup user_data id OUTPUT email, department | filter department = "Engineering"`, "id=1, action=in, email=ann@x.org, department=Engineering"},
		{
			events, `fields id, action, name, email, department | lookup user_data id OUTPUT name, email, department | stats count(*) by email | sort email`,
			"count(*)=2; email=ann@x.org, count(*)=1; email=ben@x.org, count(*)=1",
		},
		{events, `lookup user_data id OUTPUTNEW name | sort @timestamp asc | display name`, "name=old; name=Ben; name=kept; "},
		{
			flows, `fields srcAddr, hostname | lookup known_hosts ip_address as srcAddr OUTPUTNEW hostname, region | sort srcAddr`,
			"srcAddr=10.0.0.1, hostname=own, region=eu; srcAddr=10.0.0.2, hostname=two, region=us; srcAddr=10.0.0.9",
		},
		{
			flows, `fields srcAddr, dstPort | lookup network_services ip_address as srcAddr, port as dstPort OUTPUT service_name, owner | filter ispresent(service_name)`,
			"srcAddr=10.0.0.1, dstPort=22, service_name=ssh, owner=ops",
		},
		{events, `stats count() as n by id | lookup user_data id OUTPUT name | sort name desc | limit 1`, "id=2, n=1, name=Ben"},
		{events, `lookup user_data id OUTPUT name | lookup user_data name as name OUTPUT email | display email | sort email desc | limit 1`, "email=ben@x.org"},
		{events, `lookup none id OUTPUT name | sort @timestamp asc | limit 1 | display name, action`, "action=in"},
		{events, `lookup user_data nothing OUTPUT name | sort @timestamp asc | limit 1 | display name, action`, "action=in"},
	} {
		if got := answer(t, c.query, insights.Options{Tables: tables}, c.messages...); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.query, got, c.want)
		}
	}
	q, err := insights.Parse("fields a\n| lookup user_data id as a.b OUTPUT name, email")
	if err != nil {
		t.Fatal(err)
	}
	if l := q.Lookups(); len(l) != 1 || l[0].Table != "user_data" || !slices.Equal(l[0].Columns, []string{"id", "name", "email"}) || l[0].Start != 11 || l[0].End != 56 {
		t.Errorf("it looks into %v", l)
	}
	for _, bad := range []string{`lookup`, `lookup t`, `lookup t a`, `lookup t a OUTPUT`, `lookup t a as OUTPUT b`, `lookup t a OUTPUTS b`, `lookup t a, OUTPUT b`, `lookup t a OUTPUT b,`, `stats count() by a | lookup t z OUTPUT b`} {
		if _, err := insights.Parse(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestLookupMemory: a table counts as what a query keeps.
func TestLookupMemory(t *testing.T) {
	t.Parallel()
	table := &insights.Table{Columns: []string{"a", "b"}}
	for i := range 10_000 {
		table.Rows = append(table.Rows, []string{fmt.Sprint(i), "x"})
	}
	q, err := insights.Parse("lookup t a OUTPUT b")
	if err != nil {
		t.Fatal(err)
	}
	o := insights.Options{Tables: map[string]*insights.Table{"t": table}, Memory: 100_000}
	if _, err := q.With(o).Run(t.Context(), lines("{}")); !errors.Is(err, insights.ErrMemory) {
		t.Errorf("it ends with %v", err)
	}
}
