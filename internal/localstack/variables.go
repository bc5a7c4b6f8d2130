package localstack

import (
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Setting is a value for one of obidos' own settings.
type Setting struct {
	Name  string // as the flag has it, without dashes
	Value string // for settings that are lists: separated by commas
	From  string // the variable that asked for it
}

// Wishes is what an environment that was written for LocalStack asks for.
type Wishes struct {
	Settings []Setting // what obidos has a setting for
	Unmet    []string  // the others, each a few words for a person: they change nothing
	Eager    bool      // all services are to count as running at once
}

// Place is what a reading of the variables needs to know of where it happens.
type Place struct {
	Volume string                 // where LocalStack's users mount what they want kept; empty where nothing is mounted
	Serves func(name string) bool // whether a service is served, by LocalStack's name for it
}

// Read finds LocalStack's variables in an environment ("NAME=value" each). A name may begin with LOCALSTACK_, as in its image.
func Read(environ []string, here Place) Wishes {
	given := map[string]string{}
	for _, pass := range []bool{false, true} { // LOCALSTACK_DEBUG counts more than DEBUG
		for _, v := range environ {
			name, value, _ := strings.Cut(v, "=")
			bare, prefixed := strings.CutPrefix(name, "LOCALSTACK_")
			if prefixed != pass && !keepsPrefix(name) {
				continue
			}
			if prefixed && !keepsPrefix(name) {
				name = bare
			}
			if value = strings.TrimSpace(value); value != "" {
				given[name] = value
			}
		}
	}
	r := reading{given: given, here: here}
	r.listen()
	r.state()
	r.names()
	r.logs()
	r.sqs()
	r.services()
	r.rest()
	r.Eager = r.yes("EAGER_SERVICE_LOADING")
	return r.Wishes
}

// keepsPrefix reports whether LOCALSTACK_ belongs to a variable's name.
func keepsPrefix(name string) bool {
	switch name {
	case "LOCALSTACK_HOST", "LOCALSTACK_HOSTNAME", "LOCALSTACK_AUTH_TOKEN", "LOCALSTACK_API_KEY":
		return true
	}
	return false
}

type reading struct {
	Wishes
	given map[string]string
	here  Place
}

func (r *reading) set(name, value, from string) {
	r.Settings = append(r.Settings, Setting{name, value, from})
}

func (r *reading) unmet(text string) { r.Unmet = append(r.Unmet, text) }

// yes and no are how LocalStack reads switches; any other value is neither.
func (r *reading) yes(name string) bool {
	return slices.Contains([]string{"1", "true", "True", "TRUE"}, r.given[name])
}

func (r *reading) no(name string) bool {
	return slices.Contains([]string{"0", "false", "False", "FALSE"}, r.given[name])
}

// listen reads where to listen.
func (r *reading) listen() {
	host, port, from := "0.0.0.0", "4566", ""
	for _, old := range []struct {
		name string
		into *string
	}{{"EDGE_BIND_HOST", &host}, {"EDGE_PORT", &port}} {
		if v := r.given[old.name]; v != "" {
			*old.into, from = v, old.name
		}
	}
	all := r.given["GATEWAY_LISTEN"]
	if all == "" && from == "" {
		return
	}
	if all == "" {
		all = net.JoinHostPort(host, port)
	} else {
		from = "GATEWAY_LISTEN"
	}
	addresses := strings.Split(all, ",")
	first, ok := address(addresses[0])
	if !ok {
		r.unmet(from + " (" + all + " is no address)")
		return
	}
	r.set("listen", first, from)
	if len(addresses) > 1 {
		r.unmet(from + " (obidos listens on one address, " + first + ", for http and https)")
	}
}

// address fills in what an address of LocalStack's may leave out: the host, or the port.
func address(s string) (_ string, ok bool) {
	s = strings.TrimSpace(s)
	host, port := s, "4566"
	if i := strings.LastIndexByte(s, ':'); i >= 0 && strings.IndexByte(s, ']') < i && (s[0] == '[' || strings.Count(s, ":") == 1) {
		host, port = s[:i], s[i+1:]
	}
	host = strings.Trim(host, "[]")
	if host == "" {
		host = "0.0.0.0"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", false
	}
	return net.JoinHostPort(host, port), true
}

// state reads what is to be kept.
func (r *reading) state() {
	switch {
	case r.yes("PERSISTENCE"):
		if r.here.Volume != "" {
			r.set("data", r.here.Volume+"/obidos", "PERSISTENCE")
		}
	case r.no("PERSISTENCE"):
		r.set("memory", "true", "PERSISTENCE")
	}
	if r.given["DATA_DIR"] != "" {
		r.unmet("DATA_DIR (set PERSISTENCE=1, or OBIDOS_DATA)")
	}
}

// names reads which hosts and web origins are answered.
func (r *reading) names() {
	var hosts []string
	var from string
	for _, name := range []string{"LOCALSTACK_HOST", "LOCALSTACK_HOSTNAME", "HOSTNAME_EXTERNAL"} {
		host, _, _ := strings.Cut(r.given[name], ":") // an IPv6 address is answered anyway
		if host != "" && !strings.ContainsAny(host, "[]") && !slices.Contains(hosts, host) {
			hosts, from = append(hosts, host, "*."+host), name // sqs.REGION.HOST too
		}
	}
	if len(hosts) > 0 {
		r.set("host", strings.Join(hosts, ","), from)
	}
	if v := r.given["EXTRA_CORS_ALLOWED_ORIGINS"]; v != "" {
		r.set("origin", v, "EXTRA_CORS_ALLOWED_ORIGINS")
	}
	for _, name := range []string{"DISABLE_CORS_CHECKS", "DISABLE_CORS_HEADERS"} {
		if r.yes(name) {
			r.unmet(name + " (name the origins in EXTRA_CORS_ALLOWED_ORIGINS)")
		}
	}
	if v := r.given["CUSTOM_SSL_CERT_PATH"]; v != "" {
		r.set("tls-cert", v, "CUSTOM_SSL_CERT_PATH")
		r.set("tls-key", v, "CUSTOM_SSL_CERT_PATH")
	}
}

// logs reads how much is logged.
func (r *reading) logs() {
	switch level := strings.ToLower(r.given["LS_LOG"]); level {
	case "trace", "trace-internal", "debug":
		r.set("log-level", "debug", "LS_LOG")
	case "info", "warn", "error":
		r.set("log-level", level, "LS_LOG")
	case "warning":
		r.set("log-level", "warn", "LS_LOG")
	default:
		if level != "" {
			r.unmet("LS_LOG (it can be debug, info, warn or error)")
		}
		if r.yes("DEBUG") {
			r.set("log-level", "debug", "DEBUG")
		}
	}
}

// sqs reads what concerns queues.
func (r *reading) sqs() {
	if v := r.given["SQS_ENDPOINT_STRATEGY"]; v != "" {
		r.set("sqs-endpoint-strategy", v, "SQS_ENDPOINT_STRATEGY")
	}
	for _, name := range []string{"SQS_DELAY_PURGE_RETRY", "SQS_DELAY_RECENTLY_DELETED"} {
		if r.yes(name) {
			r.set("limits", "enforce", name)
			break
		}
	}
	if r.yes("SQS_DISABLE_MAX_NUMBER_OF_MESSAGE_LIMIT") {
		r.unmet("SQS_DISABLE_MAX_NUMBER_OF_MESSAGE_LIMIT (a receive returns ten messages at most, as with AWS)")
	}
}

// services reads which services are wanted. All that obidos serves are there at any time.
func (r *reading) services() {
	var missing []string
	for name := range strings.SplitSeq(r.given["SERVICES"], ",") {
		name, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(name)), ":") // name:port, long ago
		if name != "" && r.here.Serves != nil && !r.here.Serves(name) && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		r.unmet("SERVICES (obidos does not serve " + strings.Join(missing, ", ") + ")")
	}
}

// rest names what else is set and has no effect.
func (r *reading) rest() {
	var names []string
	for name, value := range r.given {
		_, override := strings.CutPrefix(name, "PROVIDER_OVERRIDE_")
		if !override && !slices.Contains(withoutEffect, name) || r.no(name) || ownLabels(name, value) {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	r.Unmet = append(r.Unmet, names...)
}

// ownLabels reports whether flags for further containers say nothing but whose they would be: Testcontainers always sets these.
func ownLabels(name, value string) bool {
	if !strings.HasSuffix(name, "_DOCKER_FLAGS") {
		return false
	}
	words := strings.Fields(value)
	for i := 0; i < len(words); i += 2 {
		if words[i] != "-l" || i+1 == len(words) || !strings.HasPrefix(words[i+1], "org.testcontainers") {
			return false
		}
	}
	return true
}

// Volume is where LocalStack's users mount what they want kept; empty where nothing is.
func Volume() string {
	const path = "/var/lib/localstack"
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return ""
	}
	return path
}

// withoutEffect are variables that LocalStack reads and obidos does not, where that makes a difference. Those whose wish obidos
// fulfils unasked are not among them: EAGER_SERVICE_LOADING (all services are there at once), USE_SSL (http and https share the
// port), SQS_ENABLE_MESSAGE_RETENTION_PERIOD, ALLOW_NONSTANDARD_REGIONS; nor are those that only tell LocalStack's image or
// its licence something.
var withoutEffect = []string{
	"BATCH_DOCKER_FLAGS", "BEDROCK_PREWARM", "BIGDATA_DOCKER_FLAGS", "BUCKET_MARKER_LOCAL",
	"CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES", "CFN_PER_RESOURCE_TIMEOUT", "CFN_STRING_REPLACEMENT_DENY_LIST", "CFN_VERBOSE_ERRORS",
	"AUTO_LOAD_POD", "CONTAINER_RUNTIME", "DISABLE_CUSTOM_CORS_APIGATEWAY", "DISABLE_CUSTOM_CORS_S3", "DISTRIBUTED_MODE",
	"DNS_ADDRESS", "DNS_NAME_PATTERNS_TO_RESOLVE_UPSTREAM", "DNS_PORT", "DNS_RESOLVE_IP", "DNS_SERVER",
	"DYNAMODB_DELAY_TRANSIENT_STATUSES", "DYNAMODB_ERROR_PROBABILITY", "DYNAMODB_HEAP_SIZE", "DYNAMODB_IN_MEMORY",
	"DYNAMODB_LOCAL_PORT", "DYNAMODB_READ_ERROR_PROBABILITY", "DYNAMODB_REMOVE_EXPIRED_ITEMS", "DYNAMODB_SHARE_DB",
	"DYNAMODB_WRITE_ERROR_PROBABILITY",
	"EC2_DOCKER_FLAGS", "EC2_VM_MANAGER", "ECS_DOCKER_FLAGS", "ECS_TASK_EXECUTOR", "EDGE_FORWARD_URL", "EKS_K8S_PROVIDER",
	"ENABLE_CONFIG_UPDATES", "ENFORCE_IAM", "ES_CUSTOM_BACKEND", "ES_ENDPOINT_STRATEGY", "ES_MULTI_CLUSTER", "EVENT_RULE_ENGINE",
	"EXTENSION_AUTO_INSTALL", "EXTERNAL_SERVICE_PORTS_END", "EXTERNAL_SERVICE_PORTS_START", "FAIL_FAST", "HOSTNAME_FROM_LAMBDA",
	"IAM_SOFT_MODE", "INIT_SCRIPTS_PATH",
	"KINESIS_ERROR_PROBABILITY", "KINESIS_INITIALIZE_STREAMS", "KINESIS_LATENCY", "KINESIS_ON_DEMAND_STREAM_COUNT_LIMIT",
	"KINESIS_PROVIDER", "KINESIS_SHARD_LIMIT",
	"LAMBDA_CODE_EXTRACT_TIME", "LAMBDA_CONTAINER_REGISTRY", "LAMBDA_DEBUG_MODE", "LAMBDA_DISABLE_AWS_ENDPOINT_URL",
	"LAMBDA_DOCKER_DNS", "LAMBDA_DOCKER_FLAGS", "LAMBDA_DOCKER_NETWORK", "LAMBDA_EVENT_SOURCE_MAPPING", "LAMBDA_EXECUTOR",
	"LAMBDA_FALLBACK_URL", "LAMBDA_FORWARD_URL", "LAMBDA_IGNORE_ARCHITECTURE", "LAMBDA_JAVA_OPTS", "LAMBDA_KEEPALIVE_MS",
	"LAMBDA_LIMITS_CODE_SIZE_UNZIPPED", "LAMBDA_LIMITS_CODE_SIZE_ZIPPED", "LAMBDA_LIMITS_CONCURRENT_EXECUTIONS",
	"LAMBDA_PREBUILD_IMAGES", "LAMBDA_REMOTE_DOCKER", "LAMBDA_REMOVE_CONTAINERS", "LAMBDA_RETRY_BASE_DELAY_SECONDS",
	"LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT", "LAMBDA_RUNTIME_EXECUTOR", "LAMBDA_RUNTIME_IMAGE_MAPPING", "LAMBDA_STAY_OPEN_MODE",
	"LAMBDA_SYNCHRONOUS_CREATE", "LAMBDA_TRUNCATE_STDOUT", "LAMBDA_XRAY_INIT", "LEGACY_INIT_DIR",
	"MAIN_DOCKER_NETWORK", "MOCK_UNIMPLEMENTED", "OPENSEARCH_CUSTOM_BACKEND", "OPENSEARCH_ENDPOINT_STRATEGY", "OPENSEARCH_MULTI_CLUSTER",
	"OUTBOUND_HTTP_PROXY", "OUTBOUND_HTTPS_PROXY", "PARITY_AWS_ACCESS_KEY_ID",
	"S3_DIR", "S3_SKIP_KMS_KEY_VALIDATION", "S3_SKIP_SIGNATURE_VALIDATION", "SMTP_HOST", "SMTP_PASS", "SMTP_USER",
	"SNAPSHOT_FLUSH_INTERVAL", "SNAPSHOT_LOAD_STRATEGY", "SNAPSHOT_SAVE_STRATEGY", "SQS_CLOUDWATCH_METRICS_REPORT_INTERVAL",
	"SQS_PORT_EXTERNAL", "STEPFUNCTIONS_LAMBDA_ENDPOINT", "TF_COMPAT_MODE", "USE_SINGLE_REGION",
}
