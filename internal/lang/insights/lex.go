package insights

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	end tokenKind = iota
	word
	quotedWord // in backticks: never a keyword
	textToken
	numberToken
	periodToken // 5m
	symbol
)

type token struct {
	kind       tokenKind
	text       string // what it says: a word without its backticks, a string without its quotes
	start, end int    // bytes
	number     float64
	period     period
}

func (t token) is(s string) bool { return t.kind == symbol && t.text == s }

func (t token) keyword(s string) bool { return t.kind == word && strings.EqualFold(t.text, s) }

// lexer cuts a query into tokens, one ahead. A regular expression begins with a slash, so only the parser knows where one may stand.
type lexer struct {
	text string
	at   int
	tok  token
	last int // where the token before ended
}

// location counts the characters that AWS's offsets count.
func location(text string, at int) int {
	n := 0
	for i, r := range text {
		if i >= at {
			break
		}
		n += max(len(string(r))/4, 0) + 1 // outside the basic plane: two UTF-16 units
	}
	return n
}

func (l *lexer) fail(start, end int, format string, args ...any) error {
	return &Error{Start: location(l.text, start), End: location(l.text, end), Message: fmt.Sprintf(format, args...)}
}

// place says where a byte is as people count.
func (l *lexer) place(at int) string {
	before := l.text[:at]
	line := strings.Count(before, "\n") + 1
	return fmt.Sprintf("line %d and position %d", line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])+1)
}

func (l *lexer) unexpected() error {
	if l.tok.kind == end {
		return l.fail(l.tok.start, l.tok.end, "unexpected end of query at %s", l.place(l.tok.start))
	}
	return l.fail(l.tok.start, l.tok.end, "unexpected symbol found %s at %s", l.text[l.tok.start:l.tok.end], l.place(l.tok.start))
}

func wordStart(r rune) bool { return r == '_' || r == '@' || r == '`' || unicode.IsLetter(r) }

func wordPart(r rune) bool {
	return r == '_' || r == '@' || r == '.' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func (l *lexer) skipBlank() {
	for l.at < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.text[l.at:])
		switch {
		case r == '#':
			if i := strings.IndexByte(l.text[l.at:], '\n'); i >= 0 {
				l.at += i
			} else {
				l.at = len(l.text)
			}
		case unicode.IsSpace(r) || r == '\ufeff':
			l.at += n
		default:
			return
		}
	}
}

// next reads the following token into tok.
func (l *lexer) next() error {
	l.last = l.tok.end
	l.skipBlank()
	start := l.at
	if start == len(l.text) {
		l.tok = token{kind: end, start: start, end: start}
		return nil
	}
	c := l.text[start]
	r, size := utf8.DecodeRuneInString(l.text[start:])
	switch {
	case wordStart(r):
		return l.word(start)
	case c >= '0' && c <= '9', c == '.' && start+1 < len(l.text) && l.text[start+1] >= '0' && l.text[start+1] <= '9':
		return l.number(start)
	case c == '"' || c == '\'':
		return l.quoted(start, c)
	}
	n := size
	if two := l.text[start:min(start+2, len(l.text))]; two == "!=" || two == "<=" || two == ">=" || two == "=~" {
		n = 2
	} else if !strings.ContainsRune("|,()[]=<>+-*/%^", r) {
		l.tok = token{kind: symbol, text: l.text[start : start+size], start: start, end: start + size}
		return l.unexpected()
	}
	l.at = start + n
	l.tok = token{kind: symbol, text: l.text[start:l.at], start: start, end: l.at}
	return nil
}

func (l *lexer) word(start int) error {
	var b strings.Builder
	quoted := false
	i := start
	for i < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.text[i:])
		if r == '`' {
			if i > start && l.text[i-1] != '.' {
				break
			}
			closing := strings.IndexByte(l.text[i+1:], '`')
			if closing <= 0 {
				return l.fail(i, len(l.text), "a name in backticks is empty or has no end at %s", l.place(i))
			}
			b.WriteString(l.text[i+1 : i+1+closing])
			quoted = true
			i += closing + 2
			if i < len(l.text) && l.text[i] != '.' {
				break
			}
			continue
		}
		if !wordPart(r) {
			break
		}
		b.WriteString(l.text[i : i+n])
		i += n
	}
	l.at = i
	l.tok = token{kind: word, text: b.String(), start: start, end: i}
	if quoted {
		l.tok.kind = quotedWord
	}
	return nil
}

func (l *lexer) number(start int) error {
	i := start
	digits := func() {
		for i < len(l.text) && l.text[i] >= '0' && l.text[i] <= '9' {
			i++
		}
	}
	digits()
	if i < len(l.text) && l.text[i] == '.' {
		i++
		digits()
	}
	if i < len(l.text) && (l.text[i] == 'e' || l.text[i] == 'E') {
		mark := i
		i++
		if i < len(l.text) && (l.text[i] == '+' || l.text[i] == '-') {
			i++
		}
		if i < len(l.text) && l.text[i] >= '0' && l.text[i] <= '9' {
			digits()
		} else {
			i = mark
		}
	}
	figure := l.text[start:i]
	n, err := strconv.ParseFloat(figure, 64)
	if err != nil {
		return l.fail(start, i, "%s is no number at %s", figure, l.place(start))
	}
	l.at = i
	l.tok = token{kind: numberToken, text: figure, number: n, start: start, end: i}
	unit := i
	for i < len(l.text) && (l.text[i] >= 'a' && l.text[i] <= 'z' || l.text[i] >= 'A' && l.text[i] <= 'Z') {
		i++
	}
	if i == unit {
		return nil
	}
	l.at, l.tok.end = i, i
	p, ok := newPeriod(n, l.text[unit:i])
	if !ok {
		return l.unexpected()
	}
	l.tok.kind, l.tok.period = periodToken, p
	return nil
}

func (l *lexer) quoted(start int, quote byte) error {
	var b strings.Builder
	for i := start + 1; i < len(l.text); i++ {
		switch c := l.text[i]; c {
		case quote:
			l.at = i + 1
			l.tok = token{kind: textToken, text: b.String(), start: start, end: l.at}
			return nil
		case '\\':
			if i++; i == len(l.text) {
				break
			}
			switch e := l.text[i]; e {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			case '"', '\'', '\\', '/':
				b.WriteByte(e)
			default: // a backslash that escapes nothing stands for itself
				b.WriteByte('\\')
				b.WriteByte(e)
			}
		default:
			b.WriteByte(c)
		}
	}
	return l.fail(start, len(l.text), "a string has no end at %s", l.place(start))
}

// regex reads the regular expression that begins with the slash that is the current token.
func (l *lexer) regex() (*regexp.Regexp, error) {
	start := l.tok.start
	class := false
	var b strings.Builder
	for i := start + 1; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '\\' && i+1 < len(l.text):
			if l.text[i+1] != '/' {
				b.WriteByte(c)
			}
			i++
			b.WriteByte(l.text[i])
		case c == '/' && !class:
			l.at = i + 1
			l.tok.end = l.at
			re, err := regexp.Compile(b.String())
			if err != nil {
				return nil, l.fail(start, l.at, "invalid regular expression at %s: %v", l.place(start), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
			}
			return re, l.next()
		default:
			if c == '[' && !class {
				class = true
			} else if c == ']' {
				class = false
			}
			b.WriteByte(c)
		}
	}
	return nil, l.fail(start, len(l.text), "a regular expression has no end at %s", l.place(start))
}
