package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/obidos-cloud/obidos/internal/localstack"
	"github.com/obidos-cloud/obidos/internal/service/iam"
)

// config is everything that can be set, from one of four places: a flag, an OBIDOS_… variable, a line of the config file, or
// the default; the first of them that says something counts.
type config struct {
	listen     string
	data       string
	memory     bool
	durability string
	store      string
	cluster    string
	node       string
	advertise  string
	blobs      string
	auth       string
	region     string
	rootKey    string
	rootSecret string
	guardrails []string
	oidcKeys   []string
	oidcHTTP   bool
	limits     string
	publicURL  string
	hosts      []string
	origins    []string
	tlsCert    string
	tlsKey     string
	logLevel   string
	logFormat  string
	openRemote bool
	syncDelay  time.Duration
	container  bool
	sqsURLs    string
	hooks      string
	file       string

	fork   *fork             // what it begins as; nil where it goes on
	wishes localstack.Wishes // of LocalStack's variables, in a container
	flags  *pflag.FlagSet    // one for each setting, and no other
	origin map[string]string // where each setting's value came from
}

// defaultListen is the port that AWS's tooling knows from others.
const defaultListen = "127.0.0.1:4566"

// choices are the values of settings that have only a few.
var choices = map[string][]string{
	"durability": {"durable", "relaxed"},
	"auth":       {"open", "log", "iam"},
	"limits":     {"off", "enforce"},
	"log-level":  {"debug", "info", "warn", "error"},
	"log-format": {"auto", "pretty", "json"},

	"sqs-endpoint-strategy": {"off", "path", "domain", "standard", "dynamic"},
}

// settings adds a flag for each setting to those of a command.
func (c *config) settings(command *cobra.Command) {
	flags := pflag.NewFlagSet("settings", pflag.ContinueOnError)
	c.flags = flags
	flags.StringVar(&c.file, "config", "", "file of `settings`, a name = value a line (default: obidos.conf in the data directory)")
	flags.StringVar(&c.listen, "listen", defaultListen, "`address` to serve on; port 0 takes a free one")
	flags.StringVar(&c.data, "data", defaultData(), "`directory` that keeps everything")
	flags.BoolVar(&c.memory, "memory", false, "keep everything in memory and nothing on disk")
	flags.StringVar(&c.durability, "durability", "durable", "`durable`: what is answered survives a power cut; relaxed: synced every 100 ms")
	flags.StringVar(&c.store, "store", "", "`URL` of a store that several nodes share, postgres://user:password@host/database: this is one of them")
	flags.StringVar(&c.cluster, "cluster", "main", "`name` of the cluster: one database may hold several")
	flags.StringVar(&c.node, "node", "", "this node's `name`, no other's (default: the host's, and something random)")
	flags.StringVar(&c.advertise, "advertise", "", "`host:port` under which the other nodes reach this one (default: the address that reaches the store, any free port)")
	flags.StringVar(&c.blobs, "blobs", "", "`place` for what is too large for the store, the same for all nodes: s3://BUCKET/PREFIX?endpoint=…&region=…, or a folder that they share")
	flags.StringVar(&c.auth, "auth", "open", "`open`: every key is let in; log: and what IAM would deny is logged; iam: signatures are verified and every operation is authorized")
	flags.StringVar(&c.region, "region", "us-east-1", "`region` of requests that name none; with --auth=iam keys are good in its partition and no other")
	flags.StringVar(&c.rootKey, "root-access-key", "", "access key `id` for the root of account 000000000000; with --auth=iam one is made and printed where none is given")
	flags.StringVar(&c.rootSecret, "root-secret", "", "its secret; better given as OBIDOS_ROOT_SECRET")
	flags.StringArrayVar(&c.guardrails, "guardrail", nil, "`file` with a policy that must allow what anybody does in any account, or ACCOUNT=file: in one")
	flags.StringArrayVar(&c.oidcKeys, "oidc-keys", nil, "`ISSUER=FILE`: the key set (JWKS) of an OpenID Connect issuer, which is then not asked for it")
	flags.BoolVar(&c.oidcHTTP, "oidc-http", false, "ask OpenID Connect issuers at http:// for their keys with --auth=iam too")
	flags.StringVar(&c.limits, "limits", "off", "`enforce`: AWS's throttling and its waits (a deleted queue's name, one purge a minute)")
	flags.StringVar(&c.publicURL, "public-url", "", "`URL` that clients reach us under; all URLs handed out begin with it")
	flags.StringArrayVar(&c.hosts, "host", nil, "further host `name` to answer (also *.example.com)")
	flags.StringArrayVar(&c.origins, "origin", nil, "further `origin` whose pages may call (https://app.example.com)")
	flags.StringVar(&c.tlsCert, "tls-cert", "", "PEM `file` of a certificate for TLS, instead of our own CA's")
	flags.StringVar(&c.tlsKey, "tls-key", "", "PEM `file` of its key")
	flags.StringVar(&c.logLevel, "log-level", "info", "debug, info, warn or error; debug says a line per request")
	flags.StringVar(&c.logFormat, "log-format", "auto", "pretty, json or auto: pretty on a terminal")
	flags.BoolVar(&c.openRemote, "open-to-network", false, "listen beyond loopback although --auth=open lets everybody in who reaches the port")
	flags.BoolVar(&c.container, "container", false, "run as a container's own process: on all its addresses, and as LocalStack's image does")
	flags.StringVar(&c.sqsURLs, "sqs-endpoint-strategy", "off", "the `shape` of queue URLs handed out: off, or path, domain, standard, dynamic as LocalStack's")
	flags.StringVar(&c.hooks, "init-hooks", "", "`folder` of scripts to run at certain moments: boot.d, start.d, ready.d, shutdown.d")
	flags.DurationVar(&c.syncDelay, "sync-delay", 0, "add this `duration` to every sync of the disk: for benchmarks")
	flags.Lookup("sync-delay").Hidden = true
	command.Flags().AddFlagSet(flags)
	for name, values := range choices {
		if err := command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // a name that is no flag
		}
	}
}

// defaultData is where state is kept when nobody says otherwise.
func defaultData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "obidos")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "obidos-data"
	}
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(home, "Library", "Application Support", "obidos")
	case "windows":
		if dir := os.Getenv("LOCALAPPDATA"); dir != "" {
			return filepath.Join(dir, "obidos")
		}
	}
	return filepath.Join(home, ".local", "share", "obidos")
}

// variable is the environment's name of a setting: OBIDOS_PUBLIC_URL.
func variable(setting string) string {
	return "OBIDOS_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// resolve fills in what the flags left open, and remembers where each value came from.
func (c *config) resolve() error {
	c.origin = map[string]string{}
	var failed error
	set := func(f *pflag.Flag, value, origin string) {
		if f.Changed || c.origin[f.Name] != "" {
			return
		}
		values := []string{value}
		if f.Value.Type() == "stringArray" {
			values = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
		}
		for _, v := range values {
			if err := f.Value.Set(v); err != nil && failed == nil {
				failed = fmt.Errorf("%s: %q is no value for %s: %w", origin, v, f.Name, err)
			}
		}
		c.origin[f.Name] = origin
	}
	c.flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			c.origin[f.Name] = "flag --" + f.Name
		}
	})
	c.flags.VisitAll(func(f *pflag.Flag) {
		if v, ok := os.LookupEnv(variable(f.Name)); ok && v != "" {
			set(f, v, "environment "+variable(f.Name))
		}
	})
	if c.container {
		c.inContainer(set)
	}
	path, named := c.file, c.file != ""
	if !named {
		path = filepath.Join(c.data, "obidos.conf")
	}
	lines, err := readSettings(path)
	if err != nil && (named || !os.IsNotExist(err)) {
		return err
	}
	for _, l := range lines {
		f := c.flags.Lookup(l.name)
		if f == nil || l.name == "config" {
			return fmt.Errorf("%s:%d: there is no setting %q; `obidos config` lists them", path, l.number, l.name)
		}
		if !strings.HasPrefix(c.origin[l.name], "flag") && !strings.HasPrefix(c.origin[l.name], "environment") {
			delete(c.origin, l.name) // a name may stand on several lines: lists grow, single values are replaced
			set(f, l.value, fmt.Sprintf("%s:%d", path, l.number))
		}
	}
	if failed != nil {
		return failed
	}
	return c.check()
}

// check refuses values that mean nothing.
func (c *config) check() error {
	for name, allowed := range choices {
		if value := c.flags.Lookup(name).Value.String(); !slices.Contains(allowed, value) {
			return fmt.Errorf("%s is %q (from %s); it can be %s", name, value, c.from(name), strings.Join(allowed, " or "))
		}
	}
	if c.store == "" {
		for _, name := range []string{"cluster", "node", "advertise", "blobs"} {
			if c.origin[name] != "" {
				return fmt.Errorf("%s (from %s) is for a node of a cluster, which --store makes it", name, c.from(name))
			}
		}
	}
	if c.store != "" && c.memory {
		return errors.New("--store and --memory exclude each other")
	}
	if (c.rootKey == "") != (c.rootSecret == "") {
		return errors.New("--root-access-key and --root-secret go together")
	}
	if c.rootKey != "" {
		if err := iam.CheckRootKey(c.rootKey, c.rootSecret); err != nil {
			return fmt.Errorf("root-access-key (from %s): %w", c.from("root-access-key"), err)
		}
	}
	if (c.tlsCert == "") != (c.tlsKey == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	if u, err := url.Parse(c.publicURL); c.publicURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("public-url is %q (from %s); it must be like https://obidos.example.com", c.publicURL, c.from("public-url"))
	}
	return nil
}

// from says where the value of a setting came from.
func (c *config) from(name string) string {
	if o := c.origin[name]; o != "" {
		return o
	}
	return "default"
}

// print writes every setting, its value and where that came from.
func (c *config) print(w io.Writer) {
	c.flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			value := f.Value.String()
			if f.Name == "root-secret" && value != "" {
				value = "(kept to itself)"
			}
			if f.Name == "store" || f.Name == "blobs" { // the password is nobody's who looks on
				if u, err := url.Parse(value); err == nil {
					value = u.Redacted()
				} else {
					value = "(no URL)"
				}
			}
			fmt.Fprintf(w, "%-16s %-34s %s\n", f.Name, quoted(value), c.from(f.Name))
		}
	})
}

func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " \t") {
		return strconv.Quote(s)
	}
	return s
}

// line is one setting of a config file.
type line struct {
	number      int
	name, value string
}

// readSettings reads a file of "name = value" lines; # begins a comment.
func readSettings(path string) ([]line, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []line
	scan := bufio.NewScanner(f)
	for n := 1; scan.Scan(); n++ {
		text := strings.TrimSpace(scan.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("%s:%d: %q is not of the form name = value", path, n, text)
		}
		value = strings.TrimSpace(value)
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		lines = append(lines, line{n, strings.TrimSpace(name), value})
	}
	return lines, scan.Err()
}
