package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The clients. Versions are pinned where what they speak depends on it.
var clients = []client{
	{
		name:    "aws-cli",
		install: python("awscli"),
		command: func(w workplace, url, tag string) *exec.Cmd {
			return exec.Command("bash", filepath.Join(w.sources, "cli", "sqs.sh"), tag)
		},
	},
	{name: "boto3", install: python("boto3"), command: pythonScenario("")},
	{name: "boto3-query", install: python("boto3==1.26.165", "botocore==1.29.165", "urllib3<2"), command: pythonScenario("endpoint")},
	{name: "go-sdk-v2", install: goProgram("gov2"), command: built},
	{name: "go-sdk-v1-query", install: goProgram("gov1"), command: built},
	{
		name: "javascript-sdk-v3",
		install: func(ctx context.Context, w workplace) error {
			for _, name := range []string{"package.json", "sqs.mjs"} {
				if err := copyFile(filepath.Join(w.cache, name), filepath.Join(w.sources, "node", name)); err != nil {
					return err
				}
			}
			return once(ctx, w, "package.json", w.cache, "npm", "install", "--no-audit", "--no-fund", "--silent")
		},
		command: func(w workplace, url, tag string) *exec.Cmd {
			return exec.Command("node", filepath.Join(w.cache, "sqs.mjs"), tag)
		},
	},
	{
		name: "web-pages",
		install: func(ctx context.Context, w workplace) error {
			if _, ok := chromium(); !ok {
				return errMissing{"Chromium (apt-get install chromium)"}
			}
			for _, name := range []string{"package.json", "browser.mjs", "local.mjs", "foreign.html"} {
				if err := copyFile(filepath.Join(w.cache, name), filepath.Join(w.sources, "browser", name)); err != nil {
					return err
				}
			}
			return once(ctx, w, "package.json", w.cache, "npm", "install", "--no-audit", "--no-fund", "--silent")
		},
		command: func(w workplace, url, tag string) *exec.Cmd {
			browser, _ := chromium()
			return exec.Command("node", filepath.Join(w.cache, "browser.mjs"), browser)
		},
	},
	{
		name: "java-sdk-v2",
		install: func(ctx context.Context, w workplace) error {
			if err := os.CopyFS(filepath.Join(w.cache, "src"), os.DirFS(filepath.Join(w.sources, "java", "src"))); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			if err := copyFile(filepath.Join(w.cache, "src", "main", "java", "Sqs.java"), filepath.Join(w.sources, "java", "src", "main", "java", "Sqs.java")); err != nil {
				return err
			}
			if err := copyFile(filepath.Join(w.cache, "pom.xml"), filepath.Join(w.sources, "java", "pom.xml")); err != nil {
				return err
			}
			if err := once(ctx, w, "pom.xml", w.cache, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"); err != nil {
				return err
			}
			return tool(ctx, w.cache, "javac", "-encoding", "UTF-8", "-cp", "jars/*", "-d", "classes", "src/main/java/Sqs.java")
		},
		command: func(w workplace, url, tag string) *exec.Cmd {
			return exec.Command("java", "-cp", filepath.Join(w.cache, "jars", "*")+string(os.PathListSeparator)+filepath.Join(w.cache, "classes"), "Sqs", tag)
		},
	},
	{name: "terraform", install: terraformProvider("terraform"), command: terraformScenario},
	{
		name: "aws-cli-iam", iam: true,
		install: python("awscli"),
		command: func(w workplace, url, tag string) *exec.Cmd {
			return exec.Command("bash", filepath.Join(w.sources, "iam", "iam.sh"))
		},
	},
	{
		name: "boto3-iam", iam: true,
		install: python("boto3"),
		command: func(w workplace, url, tag string) *exec.Cmd {
			return exec.Command(filepath.Join(w.cache, "venv", "bin", "python"), filepath.Join(w.sources, "iam", "iam.py"))
		},
	},
	{name: "go-sdk-v2-iam", iam: true, install: goProgram("iam/go"), command: built},
	{
		name: "javascript-sdk-v3-iam", iam: true,
		install: func(ctx context.Context, w workplace) error {
			for _, name := range []string{"package.json", "iam.mjs"} {
				if err := copyFile(filepath.Join(w.cache, name), filepath.Join(w.sources, "iam", name)); err != nil {
					return err
				}
			}
			return once(ctx, w, "package.json", w.cache, "npm", "install", "--no-audit", "--no-fund", "--silent")
		},
		command: func(w workplace, url, tag string) *exec.Cmd {
			return exec.Command("node", filepath.Join(w.cache, "iam.mjs"))
		},
	},
	{
		name:    "aws-cli-logs",
		install: python("awscli"),
		command: func(w workplace, url, tag string) *exec.Cmd {
			return exec.Command("bash", filepath.Join(w.sources, "logs", "logs.sh"))
		},
	},
	{
		name:    "boto3-logs",
		install: python("boto3"),
		command: func(w workplace, url, tag string) *exec.Cmd {
			return exec.Command(filepath.Join(w.cache, "venv", "bin", "python"), filepath.Join(w.sources, "logs", "logs.py"))
		},
	},
	{name: "go-sdk-v2-logs", install: goProgram("logs/go"), command: built},
	{
		name: "javascript-sdk-v3-logs",
		install: func(ctx context.Context, w workplace) error {
			for _, name := range []string{"package.json", "logs.mjs"} {
				if err := copyFile(filepath.Join(w.cache, name), filepath.Join(w.sources, "logs", name)); err != nil {
					return err
				}
			}
			return once(ctx, w, "package.json", w.cache, "npm", "install", "--no-audit", "--no-fund", "--silent")
		},
		command: func(w workplace, url, tag string) *exec.Cmd {
			return exec.Command("node", filepath.Join(w.cache, "logs.mjs"))
		},
	},
	{name: "terraform-iam", iam: true, install: terraformProvider("iam"), command: terraformScenario},
}

// chromium is a browser of that family.
func chromium() (path string, ok bool) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// tool runs one of the machine's tools in dir.
func tool(ctx context.Context, dir, name string, args ...string) error {
	if _, err := exec.LookPath(name); err != nil {
		return errMissing{name}
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// once runs a tool unless it ran before with the same words and the same contents of the file of the cache named by key.
func once(ctx context.Context, w workplace, key, dir, name string, args ...string) error {
	text, _ := os.ReadFile(filepath.Join(w.cache, key))
	mark := name + " " + strings.Join(args, " ") + "\n" + string(text)
	markFile := filepath.Join(w.cache, ".installed-"+filepath.Base(name))
	if old, err := os.ReadFile(markFile); err == nil && string(old) == mark {
		return nil
	}
	if err := tool(ctx, dir, name, args...); err != nil {
		return err
	}
	return os.WriteFile(markFile, []byte(mark), 0o644)
}

// python makes a virtual environment with packages in it.
func python(packages ...string) func(ctx context.Context, w workplace) error {
	return func(ctx context.Context, w workplace) error {
		venv := filepath.Join(w.cache, "venv")
		if _, err := os.Stat(filepath.Join(venv, "bin", "pip")); err != nil {
			if err := tool(ctx, w.cache, "python3", "-m", "venv", venv); err != nil {
				return err
			}
		}
		return once(ctx, w, "none", w.cache, filepath.Join(venv, "bin", "pip"), append([]string{"install", "-q", "--disable-pip-version-check"}, packages...)...)
	}
}

// pythonScenario plays sqs.py; clients from before AWS_ENDPOINT_URL are given the endpoint by a wrapper.
func pythonScenario(old string) func(w workplace, url, tag string) *exec.Cmd {
	return func(w workplace, url, tag string) *exec.Cmd {
		interpreter, script := filepath.Join(w.cache, "venv", "bin", "python"), filepath.Join(w.sources, "python", "sqs.py")
		if old == "" {
			return exec.Command(interpreter, script, tag)
		}
		wrapper := `import boto3, functools, runpy, sys
boto3.client = functools.partial(boto3.client, endpoint_url=sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")`
		return exec.Command(interpreter, "-c", wrapper, url, script, tag)
	}
}

// goProgram builds a scenario that is a module of its own.
func goProgram(dir string) func(ctx context.Context, w workplace) error {
	return func(ctx context.Context, w workplace) error {
		return tool(ctx, filepath.Join(w.sources, dir), "go", "build", "-mod=mod", "-o", filepath.Join(w.cache, "scenario"), ".")
	}
}

func built(w workplace, _, tag string) *exec.Cmd {
	return exec.Command(filepath.Join(w.cache, "scenario"), tag)
}

// terraformProvider finds a provider plugin on the machine and writes a CLI configuration that uses it, for what a folder declares.
func terraformProvider(folder string) func(ctx context.Context, w workplace) error {
	return func(_ context.Context, w workplace) error { return findProvider(w, folder) }
}

func findProvider(w workplace, folder string) error {
	if _, err := exec.LookPath("terraform"); err != nil {
		return errMissing{"terraform"}
	}
	pattern := filepath.Join("registry.terraform.io", "hashicorp", "aws", "5.*", "*", "terraform-provider-aws_v5*")
	for _, root := range []string{"/opt/tf-plugins", "/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", filepath.Join(os.Getenv("HOME"), ".terraform.d", "plugins")} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			continue
		}
		text := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", root)
		if err := os.WriteFile(filepath.Join(w.cache, "terraform.rc"), []byte(text), 0o644); err != nil {
			return err
		}
		return copyFile(filepath.Join(w.cache, "main.tf"), filepath.Join(w.sources, folder, "main.tf"))
	}
	return errMissing{"Terraform's AWS provider 5"}
}

// terraformScenario makes everything, sees that reading it back finds no difference, changes it, and destroys it.
func terraformScenario(w workplace, url, tag string) *exec.Cmd {
	script := `set -euo pipefail
unset AWS_ENDPOINT_URL
export TF_CLI_CONFIG_FILE="$1/terraform.rc" TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1 TF_VAR_endpoint="$2" TF_VAR_tag="$3"
cd "$1"
rm -f terraform.tfstate*
terraform init -input=false -no-color >/dev/null
terraform apply -auto-approve -input=false -no-color
terraform plan -detailed-exitcode -input=false -no-color
terraform apply -auto-approve -input=false -no-color -var delay=7
terraform plan -detailed-exitcode -input=false -no-color -var delay=7
terraform destroy -auto-approve -input=false -no-color`
	return exec.Command("bash", "-c", script, "terraform", w.cache, url, tag)
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}
