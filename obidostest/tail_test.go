package obidostest_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/obidos-cloud/obidos/internal/lang/eventstream"
	"github.com/obidos-cloud/obidos/obidostest"
)

// A session of Live Tail is told what any node commits, and each second that nothing came, on the clock of all.
func TestLiveTailOfACluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := obidostest.Cluster(t, 2)
		ask := func(p *obidostest.Platform, host, operation, body string) *http.Response {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Target", "Logs_20140328."+operation)
			resp, err := p.Client.Do(r)
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("%s: %+v %v", operation, resp, err)
			}
			return resp
		}
		a, b := c.Nodes[0], c.Nodes[1]
		ask(a, "obidos.test", "CreateLogGroup", `{"logGroupName":"/g"}`).Body.Close()
		ask(b, "obidos.test", "CreateLogStream", `{"logGroupName":"/g","logStreamName":"s"}`).Body.Close()
		resp := ask(a, "stream-obidos.test", "StartLiveTail", `{"logGroupIdentifiers":["arn:aws:logs:us-east-1:000000000000:log-group:/g"]}`)
		defer resp.Body.Close()
		events := eventstream.NewReader(resp.Body)
		next := func() string {
			t.Helper()
			m, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			return m.Text(":event-type") + " " + string(m.Payload)
		}
		for _, want := range []string{"initial-response ", "sessionStart "} {
			if got := next(); !strings.HasPrefix(got, want) {
				t.Fatalf("it began with %s", got)
			}
		}
		synctest.Wait()
		now := time.Now()
		ask(b, "obidos.test", "PutLogEvents", `{"logGroupName":"/g","logStreamName":"s","logEvents":[{"timestamp":`+strconv.FormatInt(now.UnixMilli(), 10)+`,"message":"from the other node"}]}`).Body.Close()
		if got := next(); !strings.Contains(got, "from the other node") || time.Since(now) != 0 {
			t.Errorf("told %s after %v", got, time.Since(now))
		}
		if got := next(); !strings.Contains(got, `"sessionResults":[]`) || time.Since(now) != time.Second {
			t.Errorf("told %s after %v", got, time.Since(now))
		}
	})
}
