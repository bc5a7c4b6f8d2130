package main

import (
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// services are the APIs whose models the project carries, by botocore's directory. The name of each here and of its contract package is
// the directory's without hyphens.
var services = strings.Fields(`
	acm apigateway apigatewaymanagementapi apigatewayv2 application-autoscaling appmesh athena cloudcontrol cloudformation cloudwatch
	codebuild codecommit codedeploy codepipeline cognito-idp config dynamodb dynamodbstreams ec2 ecr ecs elbv2 es events firehose glue iam
	kinesis kms lambda logs opensearch pipes rds rds-data resourcegroupstaggingapi route53 s3 s3control scheduler schemas secretsmanager
	serverlessrepo servicediscovery sns sqs ssm stepfunctions sts synthetics xray`)

// kept are the keys of a model that say something about the wire. All else, prose first of all, goes.
var kept = map[string][]string{
	"metadata": strings.Fields(`apiVersion awsQueryCompatible endpointPrefix jsonVersion protocol protocols serviceFullName serviceId
		signingName targetPrefix xmlNamespace`),
	"operation": strings.Fields(`http input output errors authtype unsignedPayload readonly endpoint httpChecksum httpChecksumRequired`),
	"shape": strings.Fields(`type members required member key value enum min max pattern flattened locationName payload exception error
		fault union sensitive sparse document streaming timestampFormat xmlNamespace event eventstream`),
	"reference": strings.Fields(`shape location locationName queryName flattened xmlNamespace xmlAttribute streaming timestampFormat
		idempotencyToken jsonvalue hostLabel eventpayload eventheader resultWrapper`),
}

// strip writes the models of all services in the wheel to dir, and what they were made of to dir/SOURCE.
func strip(wheel, dir string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }() // only read
	raw, err := os.ReadFile(wheel)
	if err != nil {
		return err
	}
	var source strings.Builder
	fmt.Fprintf(&source, "%s\nsha256 %x\n\nsha256 of the service descriptions in it, each stripped to the file of its name here:\n\n",
		filepath.Base(wheel), sha256.Sum256(raw))
	for _, name := range services {
		f := newest(z, name)
		if f == nil {
			return fmt.Errorf("%s: no model of %s", wheel, name)
		}
		data, err := unpack(f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		fmt.Fprintf(&source, "%x  %s\n", sha256.Sum256(data), f.Name)
		t, err := parseTree(data)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		keep, err := keptOperations(filepath.Join(dir, plain(name)+".keep"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, plain(name)+".json"), stripped(t, keep), 0o644); err != nil {
			return err
		}
	}
	for _, f := range z.File {
		if name := path.Base(f.Name); strings.Contains(f.Name, ".dist-info/") && (strings.HasPrefix(name, "LICENSE") || strings.HasPrefix(name, "NOTICE")) {
			if err := copyFile(f, filepath.Join(dir, strings.TrimSuffix(name, ".txt"))); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(filepath.Join(dir, "SOURCE"), []byte(source.String()), 0o644)
}

// plain is a service's name as a Go package has it.
func plain(name string) string { return strings.ReplaceAll(name, "-", "") }

// newest is the service's description of the latest API version.
func newest(z *zip.ReadCloser, name string) *zip.File {
	var last *zip.File
	for _, f := range z.File {
		if ok, _ := path.Match("botocore/data/"+name+"/*/service-2.json.gz", f.Name); ok && (last == nil || f.Name > last.Name) {
			last = f
		}
	}
	return last
}

func unpack(f *zip.File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	g, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(g)
}

func copyFile(f *zip.File, to string) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// keptOperations reads the list of the operations whose shapes are kept, for services too large to carry whole; nil means all.
func keptOperations(file string) (map[string]bool, error) {
	data, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil, nil
	}
	keep := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		for name := range strings.FieldsSeq(line) {
			keep[name] = true
		}
	}
	return keep, err
}

// stripped is the model as it is committed: one operation or shape a line, sorted, nothing that cannot be reached.
func stripped(t *tree, keep map[string]bool) []byte {
	operations, shapes := t.get("operations"), t.get("shapes")
	reached := map[string]bool{}
	var reach func(name string)
	reference := func(r *tree) {
		if r != nil {
			only(r, "reference")
			reach(r.text("shape"))
		}
	}
	reach = func(name string) {
		if reached[name] {
			return
		}
		reached[name] = true
		s := shapes.get(name)
		only(s, "shape")
		for _, m := range s.get("members").members() {
			reference(s.get("members", m))
		}
		for _, k := range []string{"member", "key", "value"} {
			reference(s.get(k))
		}
	}
	for _, name := range operations.members() {
		o := operations.get(name)
		if o.get("auth") != nil && slices.Contains(o.texts("auth"), "smithy.api#noAuth") {
			o.set("authtype", &tree{raw: []byte(`"none"`)})
		}
		if keep != nil && !keep[name] {
			operations.set(name, &tree{keys: []string{"http"}, object: map[string]*tree{"http": o.get("http")}})
			continue
		}
		only(o, "operation")
		reference(o.get("input"))
		reference(o.get("output"))
		for _, e := range o.list("errors") {
			reference(e)
		}
	}
	for _, name := range shapes.members() {
		if shapes.get(name).is("exception") && keep == nil {
			reach(name) // services answer errors that their operations do not list
		}
	}
	metadata := t.get("metadata")
	only(metadata, "metadata")
	out := []byte("{\n\"metadata\": ")
	out = metadata.append(out)
	out = lines(append(out, ",\n\"operations\": {\n"...), operations, nil)
	out = lines(append(out, "},\n\"shapes\": {\n"...), shapes, reached)
	return append(out, "}\n}\n"...)
}

// only takes from t what is not kept of its kind.
func only(t *tree, kind string) {
	for _, k := range slices.Clone(t.keys) {
		if !slices.Contains(kept[kind], k) || string(t.get(k).raw) == "false" {
			t.remove(k)
		}
	}
}

func lines(dst []byte, t *tree, which map[string]bool) []byte {
	var names []string
	for _, name := range t.keys {
		if which == nil || which[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		key, _ := marshal(name)
		dst = append(append(dst, key...), ": "...)
		dst = t.get(name).append(dst)
		if i < len(names)-1 {
			dst = append(dst, ',')
		}
		dst = append(dst, '\n')
	}
	return dst
}
