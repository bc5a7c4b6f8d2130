package logfilter

import (
	"strings"
	"unicode/utf8"
)

// part is what a token is.
type part uint8

const (
	word     part = iota // without quotes
	quoted               // "in quotes"; value is what is between them
	regex                // %between percent signs%; value is what is between them
	selector             // $.of.a.property
	compare              // = != < <= > >=
	and                  // &&
	or                   // ||
	open                 // (
	shut                 // )
	comma                // ,
	optional             // ?
	exclude              // -
)

type token struct {
	part  part
	text  string // as written
	value string
	path  []step // of a selector
}

// step is one step of a selector: a property, an element, or every one of them.
type step struct {
	name  string
	index int // -1: a property
	any   bool
}

// lexer splits a pattern, or what is between its braces or brackets, into tokens. The tokens of the three languages differ.
type lexer struct {
	kind Kind
	text string
	at   int
}

// tokens are all of text's. AWS looks for characters that fit nowhere in the whole pattern before it looks at the grammar.
func tokens(kind Kind, text string) ([]token, error) {
	l := lexer{kind: kind, text: text}
	var all []token
	for {
		for l.at < len(text) && isBlank(text[l.at]) {
			l.at++
		}
		if l.at == len(text) {
			return all, nil
		}
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
}

// invalid is a character that no token has at this place: AWS shows the token up to and with it.
func (l *lexer) invalid(start, at int) error {
	if at < len(l.text) {
		_, n := utf8.DecodeRuneInString(l.text[at:])
		at += n
	}
	return refused("Invalid character(s) in term '" + l.text[start:at] + "'")
}

func (l *lexer) next() (token, error) {
	start := l.at
	c := l.text[start]
	switch {
	case c == '"':
		return l.quoted()
	case c == '%':
		return l.regex()
	case l.wordly(c):
		for l.at < len(l.text) && l.wordly(l.text[l.at]) {
			l.at++
		}
		t := l.text[start:l.at]
		return token{part: word, text: t, value: t}, nil
	case l.kind == Terms:
		l.at++
		switch c {
		case '?':
			return token{part: optional, text: "?"}, nil
		case '-':
			return token{part: exclude, text: "-"}, nil
		}
		return token{}, l.invalid(start, start)
	case c == '$' && l.kind == JSON:
		return l.selector()
	case c == ',' && l.kind == Delimited:
		return l.sign(comma, 1), nil
	}
	second := start+1 < len(l.text)
	switch c {
	case '(':
		return l.sign(open, 1), nil
	case ')':
		return l.sign(shut, 1), nil
	case '=':
		return l.sign(compare, 1), nil
	case '<', '>':
		if second && l.text[start+1] == '=' {
			return l.sign(compare, 2), nil
		}
		return l.sign(compare, 1), nil
	case '!':
		if second && l.text[start+1] == '=' {
			return l.sign(compare, 2), nil
		}
		return token{}, l.invalid(start, start+1)
	case '&', '|':
		if second && l.text[start+1] == c {
			if c == '&' {
				return l.sign(and, 2), nil
			}
			return l.sign(or, 2), nil
		}
		return token{}, l.invalid(start, start+1)
	}
	return token{}, l.invalid(start, start)
}

func (l *lexer) sign(p part, n int) token {
	t := l.text[l.at : l.at+n]
	l.at += n
	return token{part: p, text: t}
}

// wordly reports whether a word without quotes has c. As a condition's value it may be a number, and have asterisks.
func (l *lexer) wordly(c byte) bool {
	return isWord(c) || l.kind != Terms && (c == '.' || c == '*' || c == '+' || c == '-')
}

// quoted takes "a phrase". A backslash stands before a quotation mark or a backslash that is meant as such.
func (l *lexer) quoted() (token, error) {
	start := l.at
	var value strings.Builder
	for i := start + 1; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '\\' && i+1 < len(l.text) && (l.text[i+1] == '"' || l.text[i+1] == '\\'):
			i++
			value.WriteByte(l.text[i])
		case c != '"':
			value.WriteByte(c)
		case value.Len() == 0 && l.kind == Terms:
			return token{}, l.invalid(start, i) // a phrase of nothing
		default:
			l.at = i + 1
			return token{part: quoted, text: l.text[start:l.at], value: value.String()}, nil
		}
	}
	return token{}, l.invalid(start, len(l.text))
}

// regex takes %an expression%, of the characters that AWS takes in one.
func (l *lexer) regex() (token, error) {
	start := l.at
	for i := start + 1; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '%' && i > start+1:
			l.at = i + 1
			return token{part: regex, text: l.text[start:l.at], value: l.text[start+1 : i]}, nil
		case !isWord(c) && strings.IndexByte(regexSigns, c) < 0:
			return token{}, l.invalid(start, i)
		}
	}
	return token{}, l.invalid(start, len(l.text))
}

// selector takes $.a.b[0].['c.d'].*
func (l *lexer) selector() (token, error) {
	start := l.at
	var path []step
	l.at++
	for first := true; ; first = false {
		from := l.at // where an error begins: the first step is one token with its $
		if first {
			from = start
		}
		i := l.at
		dot := i < len(l.text) && l.text[i] == '.'
		if dot {
			i++
		}
		bracket := i < len(l.text) && l.text[i] == '['
		switch {
		case bracket && i+1 < len(l.text) && l.text[i+1] == '\'':
			end := strings.IndexByte(l.text[i+2:], '\'')
			if end < 0 {
				return token{}, l.invalid(from, len(l.text))
			}
			end += i + 2
			if end+1 == len(l.text) || l.text[end+1] != ']' {
				return token{}, l.invalid(from, end+1)
			}
			path = append(path, step{name: l.text[i+2 : end], index: -1})
			l.at = end + 2
		case first && !dot:
			return token{}, l.invalid(from, i)
		case bracket && !dot:
			n := i + 1
			s := step{}
			if n < len(l.text) && l.text[n] == '*' {
				s.any = true
				n++
			} else {
				for n < len(l.text) && '0' <= l.text[n] && l.text[n] <= '9' {
					s.index = min(s.index*10+int(l.text[n]-'0'), 1<<40) // more than any message has
					n++
				}
				if n == i+1 {
					return token{}, l.invalid(from, n)
				}
			}
			if n == len(l.text) || l.text[n] != ']' {
				return token{}, l.invalid(from, n)
			}
			path = append(path, s)
			l.at = n + 1
		case dot && i < len(l.text) && l.text[i] == '*':
			path = append(path, step{any: true})
			l.at = i + 1
		case dot:
			n := i
			for n < len(l.text) && (isWord(l.text[n]) || l.text[n] == '-') {
				n++
			}
			if n == i {
				return token{}, l.invalid(from, n)
			}
			path = append(path, step{name: l.text[i:n], index: -1})
			l.at = n
		default:
			return token{part: selector, text: l.text[start:l.at], path: path}, nil
		}
	}
}

const blanks = " \t\r\n"

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}
