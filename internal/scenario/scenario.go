// Package scenario plays recorded conversations with a service: text files of calls and the answers they must have. The
// same file is played in process, over every protocol the service speaks, on every engine, against two nodes, and while nodes come
// and go.
//
// A file is read line by line. Empty lines and those that begin with # say nothing. The others are:
//
//	Operation {"Member": "value"}        a call; its answer stands on the next line
//	200 {"Member": "value"}              the answer of a call that succeeds, or
//	400 Code: message                    the answer of one that fails
//	advance 31s                          moves the platform's clock
//	settle                               waits until what calls have set off has come to rest
//	start name Operation {…}             a call that is not waited for
//	join name                            waits for it; its answer stands on the next line
//	running name                         says that it is still waiting
//	query 400 Code: message              behind an answer: what it is instead in a variant of the target
//
// A word $name in a string stands for a value: where an answer has it first, it is whatever was answered, and from then on
// that. ${a*1025} in a call is so many a's, ${now-5000} the time at which the file began, five seconds earlier, in milliseconds (in an
// answer it is "${now-5000}"). In an answer "*" is any value. A time is "2006-01-02T15:04:05Z" in calls and answers,
// and a stream its bytes in base64.
//
// With -update the answers are written anew. What is there of names and stars stays, as far as it still fits; values the
// service has made up are given names, times are given stars. So of a new call nothing need be written but the call, unless
// a later one speaks of what it answers: then as much of its answer as names that, 200 {"QueueUrl": "$orders"}.
package scenario

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
)

var update = flag.Bool("update", false, "write what scenarios answer into their files")

// Updating reports whether -update is given: then a file is played by one target after the other, the one without a variant first.
func Updating() bool { return *update }

// Target is what a scenario is played against. Calls may be made at once.
type Target interface {
	// Call performs an operation. An error of the service is an *aws.Error.
	Call(ctx context.Context, operation string, in json.RawMessage) (json.RawMessage, error)
	// Advance moves the platform's clock and returns when the work that was due is done.
	Advance(ctx context.Context, d time.Duration) error
	// Settle returns when everything that calls have set off has come to rest, or waits for the clock.
	Settle()
}

// Files are the scenarios beside a test.
func Files(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in testdata: %v", err)
	}
	return files
}

// Play plays a file against target. Where it is of a variant, not "", the answers that stand there for the variant are its own.
func Play(ctx context.Context, t testing.TB, file string, target Target, variant string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{ctx: ctx, t: t, file: file, target: target, names: map[string]string{}, started: map[string]chan answer{}, times: map[string]int64{}}
	p.began = time.Now().UnixMilli()
	lines := strings.Split(string(text), "\n")
	for p.line = 0; p.line < len(lines); p.line++ {
		line := lines[p.line]
		p.out = append(p.out, line)
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if p.step(line) {
			want := ""
			if p.line+1 < len(lines) && isAnswer(lines[p.line+1]) {
				p.line++
				want = strings.TrimLeft(lines[p.line], " \t")
			}
			var others []string // of the target's variant none: that is own
			main, own := want, false
			for p.line+1 < len(lines) {
				of, instead, _ := strings.Cut(lines[p.line+1], " ")
				if !isAnswer(instead) {
					break
				}
				p.line++
				if of == variant {
					want, own = instead, true
				} else {
					others = append(others, lines[p.line])
				}
			}
			shown, fits := p.check(want)
			switch {
			case variant == "", main == "":
				main = shown
			case own, !fits:
				others = append(others, variant+" "+shown)
			}
			p.out = append(append(p.out, main), others...)
		}
	}
	for name := range p.started {
		t.Errorf("%s: %s is never joined", file, name)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(file, []byte(strings.Join(p.out, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func isAnswer(line string) bool {
	code, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	_, err := strconv.Atoi(code)
	return err == nil && len(code) == 3
}

type player struct {
	ctx     context.Context
	t       testing.TB
	file    string
	line    int
	target  Target
	names   map[string]string // what $name stands for
	started map[string]chan answer
	began   int64            // milliseconds
	times   map[string]int64 // those that calls have named, as they are written
	got     answer
	said    []string // the calls so far
	out     []string
}

type answer struct {
	body json.RawMessage
	err  error
}

func (p *player) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s:%d: %s", p.file, p.line+1, fmt.Sprintf(format, args...))
}

// step carries a line out and reports whether an answer follows.
func (p *player) step(line string) bool {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "advance":
		d, err := time.ParseDuration(rest)
		if err != nil {
			p.fail("%v", err)
		}
		if err := p.target.Advance(p.ctx, d); err != nil {
			p.fail("%v", err)
		}
		return false
	case "settle":
		p.target.Settle()
		return false
	case "start":
		name, call, _ := strings.Cut(rest, " ")
		done := make(chan answer, 1)
		p.started[name] = done
		operation, in := p.parse(call)
		go func() {
			body, err := p.target.Call(p.ctx, operation, in)
			done <- answer{body, err}
		}()
		p.target.Settle()
		return false
	case "running":
		p.target.Settle()
		select {
		case a := <-p.started[rest]:
			p.fail("%s is not running any more: %s %v", rest, a.body, a.err)
		default:
		}
		return false
	case "join":
		done, ok := p.started[rest]
		if !ok {
			p.fail("%s was not started", rest)
		}
		delete(p.started, rest)
		p.got = <-done
		return true
	}
	operation, in := p.parse(line)
	p.got.body, p.got.err = p.target.Call(p.ctx, operation, in)
	return true
}

var nameWord = regexp.MustCompile(`\$[A-Za-z][A-Za-z0-9]*`)

var nowWord = regexp.MustCompile(`\$\{now([+-]\d+)?\}`)

// at is the time that a word ${now-5000} stands for.
func (p *player) at(word string) int64 {
	n, _ := strconv.ParseInt(strings.TrimPrefix(nowWord.FindStringSubmatch(word)[1], "+"), 10, 64)
	return p.began + n
}

var manyOf = regexp.MustCompile(`\$\{(.)\*(\d+)\}`)

func (p *player) parse(call string) (operation string, in json.RawMessage) {
	p.said = append(p.said, call)
	operation, rest, _ := strings.Cut(call, " ")
	rest = cmp.Or(strings.TrimSpace(rest), "{}")
	rest = manyOf.ReplaceAllStringFunc(rest, func(many string) string {
		parts := manyOf.FindStringSubmatch(many)
		n, _ := strconv.Atoi(parts[2])
		return strings.Repeat(parts[1], n)
	})
	rest = nowWord.ReplaceAllStringFunc(rest, func(word string) string {
		p.times[word] = p.at(word)
		return strconv.FormatInt(p.times[word], 10)
	})
	rest = nameWord.ReplaceAllStringFunc(rest, func(name string) string {
		v, ok := p.names[name]
		if !ok {
			p.fail(`%s stands for nothing yet: write it into the answer above that it comes from, as in 200 {"Member": "%[1]s"}`, name)
		}
		quoted, _ := json.Marshal(v)
		return string(quoted[1 : len(quoted)-1])
	})
	if !json.Valid([]byte(rest)) {
		p.fail("not JSON: %s", rest)
	}
	return operation, json.RawMessage(rest)
}

// check compares the answer with the line that says what it must be. It returns the line as it should be, and whether it was
// so.
func (p *player) check(want string) (shown string, fits bool) {
	if p.got.err != nil {
		e, ok := errors.AsType[*aws.Error](p.got.err)
		if !ok {
			p.fail("%v", p.got.err)
		}
		text := e.WireCode() + ": " + e.Message
		rest, same := strings.CutPrefix(want, strconv.Itoa(e.Status)+" ")
		fits = same && p.matchText(rest, text)
		shown = fmt.Sprintf("%d %s", e.Status, p.unfill(text))
		if !fits && !*update {
			p.fail("answered\n%s\nwant\n%s", shown, want)
		}
		return shown, fits
	}
	body := "{}"
	if len(bytes.TrimSpace(p.got.body)) > 0 {
		body = string(p.got.body)
	}
	var got, expected any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		p.fail("answered %s: %v", body, err)
	}
	text, fits := strings.CutPrefix(want, "200")
	if fits {
		if err := json.Unmarshal([]byte(cmp.Or(strings.TrimSpace(text), "{}")), &expected); err != nil {
			p.fail("the answer it must have is not JSON: %v", err)
		}
		fits = p.match(expected, got)
	}
	if !fits && !*update {
		p.fail("answered\n200 %s\nwant\n%s", p.show(got), want)
	}
	if *update {
		got = p.keep(expected, got, "")
	}
	return "200 " + p.show(got), fits
}

// match reports whether an answer is as it must be, and takes note of what names stand for.
func (p *player) match(want, got any) bool {
	if word, ok := want.(string); ok && nowWord.MatchString(word) {
		want = float64(p.at(word))
	}
	if want == "*" {
		return true
	}
	switch w := want.(type) {
	case string:
		g, ok := got.(string)
		return ok && p.matchText(w, g)
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return false
		}
		for k := range g {
			if _, wanted := w[k]; !wanted && !empty(g[k]) {
				return false
			}
		}
		for _, k := range slices.Sorted(maps.Keys(w)) {
			if v, there := g[k]; !there && !empty(w[k]) || there && !p.match(w[k], v) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !p.match(w[i], g[i]) {
				return false
			}
		}
		return true
	}
	return want == got
}

// empty reports whether v is a list or map of nothing: some protocols cannot tell that from an absent one.
func empty(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// matchText is match for a string, in which names may stand.
func (p *player) matchText(want, got string) bool {
	if name := nameWord.FindString(want); name != "" && name == want {
		if _, known := p.names[name]; !known {
			p.names[name] = got
		}
	}
	return p.fill(want) == got
}

// fill puts what names stand for in their places.
func (p *player) fill(s string) string {
	return nameWord.ReplaceAllStringFunc(s, func(name string) string {
		if v, ok := p.names[name]; ok {
			return v
		}
		return name
	})
}

// unfill puts names in the places of what they stand for, where that is long enough to be no accident.
func (p *player) unfill(s string) string {
	for _, name := range slices.SortedFunc(maps.Keys(p.names), func(a, b string) int { return len(p.names[b]) - len(p.names[a]) }) {
		if v := p.names[name]; len(v) >= 8 {
			s = strings.ReplaceAll(s, v, name)
		}
	}
	return s
}

// keep is an answer as it is written into the file: with the names and stars that were there, as far as they still fit.
func (p *player) keep(want, got any, member string) any {
	switch g := got.(type) {
	case string:
		if w, ok := want.(string); ok && (w == "*" || p.matchText(w, g)) {
			return w
		}
		if _, err := time.Parse(time.RFC3339, g); err == nil || strings.HasSuffix(member, "Timestamp") || member == "SequenceNumber" {
			return "*"
		}
		for _, name := range slices.Sorted(maps.Keys(p.names)) {
			if p.names[name] == g && len(g) >= 8 {
				return name
			}
		}
		if p.madeUp(member, g) {
			base := strings.ToLower(member[:1]) + member[1:]
			for n := 1; ; n++ {
				name := "$" + base + strconv.Itoa(n)
				if _, taken := p.names[name]; !taken {
					p.names[name] = g
					return name
				}
			}
		}
		return p.unfill(g)
	case map[string]any:
		w, _ := want.(map[string]any)
		for _, k := range slices.Sorted(maps.Keys(g)) {
			g[k] = p.keep(w[k], g[k], k)
		}
	case []any:
		w, _ := want.([]any)
		for i := range g {
			var one any
			if i < len(w) {
				one = w[i]
			}
			g[i] = p.keep(one, g[i], member)
		}
	case float64:
		if want == "*" || strings.HasSuffix(member, "Timestamp") || strings.HasSuffix(member, "Time") {
			return "*"
		}
		for _, word := range slices.Sorted(maps.Keys(p.times)) {
			if float64(p.times[word]) == g {
				return word
			}
		}
	}
	return got
}

// madeUp reports whether the service and not a call has thought of an answer's value: it may be another in the next run.
func (p *player) madeUp(member, value string) bool {
	switch {
	case value == "" || member == "":
		return false
	case slices.ContainsFunc(p.said, func(call string) bool { return strings.Contains(call, `"`+value+`"`) }):
		return false
	}
	return slices.ContainsFunc([]string{"Id", "Url", "Handle", "Token"}, func(end string) bool { return strings.HasSuffix(member, end) })
}

// show is a value in one line.
func (p *player) show(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		p.fail("%v", err)
	}
	return strings.TrimSpace(b.String())
}
