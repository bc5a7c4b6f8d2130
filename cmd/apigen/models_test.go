package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/model"
)

const models = "../../models"

// everything reads all contracts with every operation.
func everything(t *testing.T) []*contract {
	t.Helper()
	rewrites, err := readRewrites(filepath.Join(models, "overlay", "patterns.json"))
	if err != nil {
		t.Fatal(err)
	}
	g := generator{models: models, all: true}
	list := make([]*contract, 0, len(services))
	for _, s := range services {
		c, err := g.contract(plain(s), rewrites)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

func TestEveryPatternIsRE2(t *testing.T) {
	used := map[string]bool{}
	for _, c := range everything(t) {
		for _, p := range c.Patterns {
			used[p.Text] = true
			text := p.RE2
			if text == "" {
				text = p.Text
			}
			if _, err := regexp.Compile(text); err != nil {
				t.Errorf("%s: %v\nmodel: %s", c.Name, err, p.Text)
			}
			if _, err := regexp.Compile(p.Not); err != nil {
				t.Errorf("%s: not: %v", c.Name, err)
			}
		}
	}
	rewrites, err := readRewrites(filepath.Join(models, "overlay", "patterns.json"))
	if err != nil {
		t.Fatal(err)
	}
	for text := range rewrites {
		if !used[text] {
			t.Errorf("overlay/patterns.json rewrites what no model says any more: %s", text)
		}
	}
}

// What the patterns with look-around were rewritten to accepts and refuses what the model's own do.
func TestRewrittenPatterns(t *testing.T) {
	rewrites, err := readRewrites(filepath.Join(models, "overlay", "patterns.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ begins, good, bad string }{
		{`((?!^\d+$)`, "v1 1v live 1-2", "12 a.b"},
		{`((?=^.{1,127}$)`, "a a.b a_b.c . " + strings.Repeat("abc.", 31) + "abc", "-a a. " + strings.Repeat("abc.", 32) + "abc"},
		{`(?!((^[ ]+.*)`, "a a-b nightly", "a:b a/b a|b"},
		{`(?!.*[/:\\])`, "notes notes-1", `a/b a:b a\b`},
		{`(?!^[0-9]+$)`, "live 1a a-1", "1 123"},
		{`(?=[/\.\-_A-Za-z0-9]+)`, "my.app $.source", "aws.ec2 é"},
		{`(\*\.)?(((?!-)`, "example.com *.example.com a-b.example.com", "-a.example.com example a-.com"},
		{`(^(?!(system`, "orders system systems.x", "system.x $x"},
		{
			`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!`,
			"f f:live arn:aws:lambda:eu-west-1:123456789012:function:f:1a", "f:1 f:",
		},
		{`[0-9A-Za-z\.\-_]*(?<!`, "bucket my.bucket", "bucket. b/c"},
		{`[A-Za-z](?!.*--)`, "ab a-b default.mysql8.0", "a--b a- default..x"},
		{`^$|^https://(?!`, "https://example.com/jwks.json https://11.example.com", "https://10.example.com http://example.com"},
		{`^(?!(.*[.\/\\]|aws:))`, "main a:b", "aws:x a.b a/b"},
		{`^(?!.*\/\.{2,})`, "a/b a.b", "a/../b a..b /a"},
		{`^(?![0-9_])\w+$`, "a a_1 _1", "1a _ __"},
		{`^(?!\.\.?$)`, ".kibana index-1", ". .. _a A"},
		{`^(?!\s*$).+`, "a -", "\t"},
		{`^(?!arn:)[!-~]{1,1024}$`, "name arn " + strings.Repeat("a", 1024), "arn:x " + strings.Repeat("a", 1025)},
		{`^(?!aws:)[a-zA-Z`, "team a:b", "aws:x"},
		{`^(?=.*[a-zA-Z_\-\.])`, "a 1a 1.", "1 12 é"},
		{`^([\-]?\d{4}(?!`, "2024-01-31T10:00:00Z 2024-01-31 20240131T1000Z 2024-W05", "yesterday 2024-13-01"},
		{`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}`, "my-alias abc", "my--alias -ab ab- ab"},
		{`jdbc:(redshift`, "jdbc:redshift://c.x.redshift.eu-west-1.amazonaws.com:5439/dev", "jdbc:redshift://-c.x.redshift.amazonaws.com:5439/dev"},
	} {
		found := 0
		for text, r := range rewrites {
			if !strings.HasPrefix(text, c.begins) {
				continue
			}
			found++
			p := &model.Pattern{Text: text, RE2: r.RE2, Not: r.Not, Chars: r.Chars}
			for good := range strings.SplitSeq(c.good, " ") {
				if !p.Match(good) {
					t.Errorf("%s refuses %q", text, good)
				}
			}
			for bad := range strings.SplitSeq(c.bad, " ") {
				if p.Match(bad) {
					t.Errorf("%s accepts %q", text, bad)
				}
			}
		}
		if found == 0 {
			t.Errorf("no pattern begins with %s", c.begins)
		}
	}
}

// What is committed is what the models, overlays and .ops files generate.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	err := run([]string{"-check", "-models", models, "-out", "../../internal/api", "-docs", "../../docs/services.md"})
	if err != nil {
		t.Error(err)
	}
}

func TestEveryServiceIsRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(models, "*.json"))
	if err != nil || len(files) != len(services) {
		t.Errorf("%d models of %d services, %v", len(files), len(services), err)
	}
	for _, c := range everything(t) {
		if c.SigningName == "" || c.EndpointPrefix == "" || len(c.Protocols) == 0 {
			t.Errorf("%s: %+v", c.Name, c)
		}
		if c.Name != "ec2" && len(c.Unserved) > 0 {
			t.Errorf("%s: %d operations cannot be served", c.Name, len(c.Unserved))
		}
	}
}

func TestModelsCarryNoProse(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(models, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), `"documentation"`) || strings.Contains(string(data), "<p>") {
			t.Errorf("%s carries prose", f)
		}
	}
}
