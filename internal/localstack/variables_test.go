package localstack_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/localstack"
)

// read reads variables where SQS is served and a volume is mounted.
func read(environ ...string) localstack.Wishes {
	return localstack.Read(environ, localstack.Place{Volume: "/vol", Serves: func(name string) bool { return name == "sqs" || name == "sts" }})
}

func TestVariablesBecomeSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ environ, want string }{
		{"", ""},
		{"PATH=/bin HOME=/root CI=true SERVICES=sqs,sts", ""},
		{"DEBUG=0", ""},
		{"DEBUG=1", "log-level=debug from DEBUG"},
		{"DEBUG=1 LS_LOG=warning", "log-level=warn from LS_LOG"},
		{"LS_LOG=trace-internal", "log-level=debug from LS_LOG"},
		{"GATEWAY_LISTEN=0.0.0.0:4567", "listen=0.0.0.0:4567 from GATEWAY_LISTEN"},
		{"GATEWAY_LISTEN=127.0.0.1", "listen=127.0.0.1:4566 from GATEWAY_LISTEN"},
		{"GATEWAY_LISTEN=:4599", "listen=0.0.0.0:4599 from GATEWAY_LISTEN"},
		{"GATEWAY_LISTEN=[::]:4566", "listen=[::]:4566 from GATEWAY_LISTEN"},
		{"GATEWAY_LISTEN=[::1]", "listen=[::1]:4566 from GATEWAY_LISTEN"},
		{"EDGE_PORT=4570", "listen=0.0.0.0:4570 from EDGE_PORT"},
		{"EDGE_PORT=4570 EDGE_BIND_HOST=127.0.0.1", "listen=127.0.0.1:4570 from EDGE_PORT"},
		{"EDGE_PORT=4570 GATEWAY_LISTEN=0.0.0.0:4566", "listen=0.0.0.0:4566 from GATEWAY_LISTEN"},
		{"PERSISTENCE=1", "data=/vol/obidos from PERSISTENCE"},
		{"LOCALSTACK_PERSISTENCE=1", "data=/vol/obidos from PERSISTENCE"},
		{"PERSISTENCE=0 LOCALSTACK_PERSISTENCE=1", "data=/vol/obidos from PERSISTENCE"},
		{"LOCALSTACK_PERSISTENCE=1 PERSISTENCE=0", "data=/vol/obidos from PERSISTENCE"},
		{"PERSISTENCE=0", "memory=true from PERSISTENCE"},
		{"PERSISTENCE=", ""},
		{"LOCALSTACK_HOST=obidos.example.com:4566", "host=obidos.example.com,*.obidos.example.com from LOCALSTACK_HOST"},
		{"LOCALSTACK_HOST=172.17.0.1 HOSTNAME_EXTERNAL=queues", "host=172.17.0.1,*.172.17.0.1,queues,*.queues from HOSTNAME_EXTERNAL"},
		{"EXTRA_CORS_ALLOWED_ORIGINS=http://app.test:3000,app://.", "origin=http://app.test:3000,app://. from EXTRA_CORS_ALLOWED_ORIGINS"},
		{"CUSTOM_SSL_CERT_PATH=/c.pem", "tls-cert=/c.pem from CUSTOM_SSL_CERT_PATH; tls-key=/c.pem from CUSTOM_SSL_CERT_PATH"},
		{"SQS_ENDPOINT_STRATEGY=domain", "sqs-endpoint-strategy=domain from SQS_ENDPOINT_STRATEGY"},
		{"SQS_DELAY_PURGE_RETRY=1", "limits=enforce from SQS_DELAY_PURGE_RETRY"},
		{"SQS_DELAY_PURGE_RETRY=0 SQS_DELAY_RECENTLY_DELETED=true", "limits=enforce from SQS_DELAY_RECENTLY_DELETED"},
		// Kubernetes tells every pod of a service that is called localstack.
		{"LOCALSTACK_PORT=tcp://10.0.0.7:4566 LOCALSTACK_SERVICE_HOST=10.0.0.7 LOCALSTACK_PORT_4566_TCP=tcp://10.0.0.7:4566", ""},
	} {
		var got []string
		w := read(strings.Fields(c.environ)...)
		for _, s := range w.Settings {
			got = append(got, s.Name+"="+s.Value+" from "+s.From)
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s: set %q, want %q", c.environ, text, c.want)
		}
		if len(w.Unmet) > 0 {
			t.Errorf("%s: complained of %q", c.environ, w.Unmet)
		}
	}
}

func TestPersistenceWithoutAVolumeStaysWhereItIs(t *testing.T) {
	t.Parallel()
	if w := localstack.Read([]string{"PERSISTENCE=1"}, localstack.Place{}); len(w.Settings) > 0 {
		t.Errorf("set %v", w.Settings)
	}
}

func TestWishesThatAreNotMetAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environ string
		want    []string // what the complaints begin with
	}{
		{"SERVICES=s3,sqs,dynamodb:4569", []string{"SERVICES (obidos does not serve s3, dynamodb)"}},
		{"LAMBDA_EXECUTOR=docker DNS_ADDRESS=0 ENFORCE_IAM=1", []string{"ENFORCE_IAM", "LAMBDA_EXECUTOR"}},
		{"PROVIDER_OVERRIDE_SQS=asf", []string{"PROVIDER_OVERRIDE_SQS"}},
		{"LOCALSTACK_LAMBDA_KEEPALIVE_MS=0 LOCALSTACK_LAMBDA_REMOVE_CONTAINERS=1", []string{"LAMBDA_REMOVE_CONTAINERS"}},
		{"DISABLE_CORS_CHECKS=1", []string{"DISABLE_CORS_CHECKS ("}},
		{"GATEWAY_LISTEN=0.0.0.0:4566,0.0.0.0:443", []string{"GATEWAY_LISTEN ("}},
		{"GATEWAY_LISTEN=0.0.0.0:http", []string{"GATEWAY_LISTEN ("}},
		{"LS_LOG=loud", []string{"LS_LOG ("}},
		{"DATA_DIR=/tmp/localstack/data", []string{"DATA_DIR ("}},
		{"LOCALSTACK_AUTH_TOKEN=ls-secret ACTIVATE_PRO=0 EAGER_SERVICE_LOADING=1 S3_BUCKET=mine DEFAULT_REGION=eu-west-1", nil},
	} {
		got := read(strings.Fields(c.environ)...).Unmet
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%s: complained of %q, want %q", c.environ, got, c.want)
		}
		if strings.Contains(strings.Join(got, ""), "secret") {
			t.Errorf("a secret is told: %q", got)
		}
	}
	// What Testcontainers sets for everybody is nobody's wish.
	own := "LAMBDA_DOCKER_FLAGS=-l org.testcontainers=true -l org.testcontainers.sessionId=7"
	if got := read(own).Unmet; len(got) > 0 {
		t.Errorf("complained of %q", got)
	}
	if got := read(own + " --network mine").Unmet; len(got) != 1 {
		t.Errorf("complained of %q, want the flags", got)
	}
}

func TestEagerServices(t *testing.T) {
	t.Parallel()
	if !read("EAGER_SERVICE_LOADING=1").Eager || read("EAGER_SERVICE_LOADING=0").Eager {
		t.Error("EAGER_SERVICE_LOADING is not read")
	}
}

func FuzzRead(f *testing.F) {
	f.Add("GATEWAY_LISTEN=[::1]:1,:2\nLOCALSTACK_X\n=\nSERVICES=,:,s3:1")
	f.Fuzz(func(t *testing.T, text string) {
		w := read(strings.Split(text, "\n")...)
		for _, s := range w.Settings {
			if s.Name == "" || s.From == "" {
				t.Errorf("a setting without a name: %+v", s)
			}
		}
	})
}
