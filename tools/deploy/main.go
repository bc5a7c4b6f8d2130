// Command deploy renders the Helm chart into the plain manifests of deploy/kubernetes, and checks both: the chart renders for one
// node and for several, the manifests are what it renders, and Kubernetes' own schemas accept every document.
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
	withURL, err := render(chart, map[string]any{"replicas": 3, "store": map[string]any{"url": "postgres://u:p@db:5432/o"}})
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
	out, err := exec.Command("go", append([]string{"tool", "kubectl-validate", "--version", schemas}, files...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kubectl-validate: %w\n%s", err, out)
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
