// Command deploy renders the Helm chart into the plain manifests of deploy/kubernetes, and checks both: the chart renders for one
// node and for several, the manifests are what it renders, and Kubernetes' own schemas accept every document. What else is written in
// YAML for others to read (the compose file, GitHub's) has to be that.
//
//	go run -C tools/deploy . [-check]
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

// renderings are the manifests, each of the chart with values of its own.
var renderings = map[string]map[string]any{
	"single.yaml":  {},
	"cluster.yaml": {"replicas": 3, "store": map[string]any{"existingSecret": "obidos-store"}},
}

// schemas is the release of Kubernetes whose schemas the documents are held to.
const schemas = "1.30"

func main() {
	check := flag.Bool("check", false, "change nothing; fail where the manifests are not what the chart renders")
	root := flag.String("root", filepath.Join("..", "..", "deploy"), "the directory of chart and manifests")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "deploy:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	chart := filepath.Join(root, "helm", "obidos")
	if _, err := render(chart, map[string]any{"replicas": 2}); err == nil {
		return errors.New("the chart renders two nodes that share nothing")
	}
	withURL, err := render(chart, map[string]any{
		"replicas": 3, "store": map[string]any{"url": "postgres://u:p@db:5432/o"}, "serviceAccountName": "obidos",
		"blobs": map[string]any{"url": "s3://bucket/prefix", "existingSecret": "obidos-blobs"},
	})
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "obidos-deploy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	files := []string{filepath.Join(temp, "url.yaml")}
	if err := os.WriteFile(files[0], withURL, 0o644); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(renderings)) {
		text, err := render(chart, renderings[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		path := filepath.Join(root, "kubernetes", name)
		files = append(files, path)
		if !check {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o644)); err != nil {
				return err
			}
			continue
		}
		old, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Equal(old, text) {
			return fmt.Errorf("%s is not what the chart renders: go run -C tools/deploy . writes it", path)
		}
	}
	wrong := filepath.Join(temp, "wrong.yaml")
	if err := os.WriteFile(wrong, []byte(misspelt), 0o644); err != nil {
		return err
	}
	if validate(wrong) == nil {
		return errors.New("kubectl-validate accepts a Service with a field that there is not")
	}
	return errors.Join(validate(files...), readable(root))
}

// misspelt is what a validator that validates refuses.
const misspelt = `apiVersion: v1
kind: Service
metadata: {name: wrong}
spec:
  ports: [{port: 4566, tragetPort: aws}]
`

// validate holds the documents of files to Kubernetes' schemas, which are in the validator. It is a module of its own: it needs
// other versions of Kubernetes' libraries than Helm does.
func validate(files ...string) error {
	args := []string{"tool", "kubectl-validate", "--version", schemas}
	for _, f := range files {
		path, err := filepath.Abs(f)
		if err != nil {
			return err
		}
		args = append(args, path)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = "validator"
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl-validate: %w\n%s", err, out)
	}
	return nil
}

// readable sees that the YAML that nobody renders can be read, and names no key twice.
func readable(root string) error {
	files := []string{filepath.Join(root, "..", "action.yml")}
	for _, pattern := range []string{"compose/*.yml", "github/*.yml"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 {
			return errors.Join(err, fmt.Errorf("there is no %s", pattern))
		}
		files = append(files, found...)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		var document map[string]any
		if err := yaml.UnmarshalStrict(text, &document); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}

// render is what `helm template obidos` prints with these values.
func render(path string, values map[string]any) ([]byte, error) {
	c, err := loader.Load(path)
	if err != nil {
		return nil, err
	}
	release := chartutil.ReleaseOptions{Name: "obidos", Namespace: "default", IsInstall: true}
	all, err := chartutil.ToRenderValues(c, values, release, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("# Written by go run -C tools/deploy . from the chart in deploy/helm/obidos.\n")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if text := strings.TrimSpace(files[name]); text != "" && strings.HasSuffix(name, ".yaml") {
			text = strings.TrimPrefix(text, "---\n")
			text = strings.ReplaceAll(text, "app.kubernetes.io/managed-by: Helm\n", "app.kubernetes.io/managed-by: kubectl\n")
			out.WriteString("---\n" + text + "\n")
		}
	}
	return out.Bytes(), nil
}
