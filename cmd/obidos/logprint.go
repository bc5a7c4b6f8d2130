package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"time"
)

// printer prints log events.
type printer struct {
	painter
	w      io.Writer
	raw    bool              // messages are printed as they are
	groups map[string]string // the colour of each, where there are several
	b      bytes.Buffer
}

// know tells which groups there are: where there is one only, its name goes without saying.
func (p *printer) know(groups []group) {
	if len(groups) < 2 {
		return
	}
	colours := [...]string{"36", "35", "34", "33", "32"}
	p.groups = map[string]string{}
	for i, g := range groups {
		p.groups[g.name] = colours[i%len(colours)]
	}
}

func (p *printer) event(e logEvent) error {
	p.b.Reset()
	message := strings.TrimRight(e.message, "\r\n")
	if p.raw {
		if colour, ok := p.groups[e.group]; ok {
			p.b.WriteString(p.in(colour, e.group) + " ")
		}
		p.b.WriteString(message)
	} else {
		p.b.WriteString(p.dim(time.UnixMilli(e.time).Local().Format("2006-01-02 15:04:05.000")) + " ")
		if colour, ok := p.groups[e.group]; ok {
			p.b.WriteString(p.in(colour, plain(e.group, "")) + " ")
		}
		p.b.WriteString(p.dim(plain(e.stream, "")))
		if laid := p.laidOut(message); laid != "" {
			p.b.WriteString(laid) // on lines of its own
		} else {
			p.b.WriteString(" " + p.by(levelOf(message), plain(message, "\n\t")))
		}
	}
	p.b.WriteByte('\n')
	_, err := p.w.Write(p.b.Bytes())
	return err
}

// by is s in the colour of a level.
func (p *printer) by(level, s string) string {
	switch level {
	case "error", "fatal", "critical", "panic":
		return p.red(s)
	case "warn", "warning":
		return p.yellow(s)
	case "debug", "trace":
		return p.dim(s)
	}
	return s
}

// levelOf is the level that a line of text says, in its beginning.
func levelOf(line string) string {
	for word := range strings.FieldsFuncSeq(line[:min(len(line), 80)], func(c rune) bool { return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') }) {
		switch level := strings.ToLower(word); level {
		case "error", "fatal", "critical", "panic", "warn", "warning", "info", "debug", "trace":
			if word == level && level != "info" { // "no error" is prose
				continue
			}
			return level
		}
	}
	return ""
}

// laidOut is a message that is a JSON object, on lines of its own; empty where it is none.
func (p *printer) laidOut(message string) string {
	if !strings.HasPrefix(strings.TrimLeft(message, " \t"), "{") {
		return ""
	}
	var said struct{ Level, Severity any }
	if json.Unmarshal([]byte(message), &said) != nil {
		return ""
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(message), "  ", "  ") != nil {
		return ""
	}
	level, _ := said.Level.(string)
	if level == "" {
		level, _ = said.Severity.(string)
	}
	var out strings.Builder
	for i, line := range strings.Split(plain(b.String(), "\n"), "\n") {
		if i > 0 {
			out.WriteByte('\n')
		} else {
			line = "\n  " + line
		}
		out.WriteString(p.key(line, strings.ToLower(level)))
	}
	return out.String()
}

// key is a line of JSON with its key in a colour, and its value in that of the level where it says it.
func (p *printer) key(line, level string) string {
	at := strings.IndexByte(line, '"')
	if at < 0 || strings.Trim(line[:at], " \n") != "" {
		return line
	}
	end := at + 1
	for end < len(line) && line[end] != '"' {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	if end+1 >= len(line) || line[end+1] != ':' {
		return line // an entry of a list
	}
	name, value := line[at:end+1], line[end+1:]
	if n := strings.ToLower(strings.Trim(name, `"`)); n == "level" || n == "severity" {
		value = ":" + p.by(level, value[1:])
	}
	return line[:at] + p.cyan(name) + value
}
