package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A pattern is what an action, a resource or a value of a condition is compared with: text in which * stands for any
// characters, ? for one, and ${key} for the value of a condition key. What a variable stands for is compared as it is: a
// tag whose value is * does not match everything.
type pattern struct {
	pieces []piece
	// simple is how a pattern without variables and ? is compared fast.
	simple simple
	text   string // of exactly and prefixed; what is in front of the first other piece, of complex ones
	fold   bool   // letters of both cases are the same; text and literals are in lower case where they are ASCII
	vars   int    // variables in it
	never  bool   // has a variable that is written wrongly: matches nothing
}

type simple uint8

const (
	complexly  simple = iota // by its pieces
	exactly                  // no wildcard
	prefixed                 // one * at the end
	everything               // *
)

type piece struct {
	kind     pieceKind
	text     string // of a literal; of a variable, its key in lower case
	name     string // of a variable: its key as it is written
	fallback string // of a variable
	fallible bool   // no fallback
}

type pieceKind uint8

const (
	literal pieceKind = iota
	anyText
	anyOne
	variable
)

// syntax says what in a text is special.
type syntax struct {
	wildcards, variables, fold bool
}

// compile makes a pattern of a text.
func (y syntax) compile(text string) pattern {
	p := pattern{fold: y.fold}
	y.scan(&p, text)
	p.simplify()
	return p
}

// scan adds the pieces of a text to p.
func (y syntax) scan(p *pattern, text string) {
	from := 0 // of the literal text that is not yet a piece
	flush := func(to int) {
		if to > from {
			p.add(piece{kind: literal, text: text[from:to]})
		}
	}
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '*' && y.wildcards:
			flush(i)
			p.add(piece{kind: anyText})
			i++
			from = i
		case c == '?' && y.wildcards:
			flush(i)
			p.add(piece{kind: anyOne})
			i++
			from = i
		case c == '$' && y.variables && strings.HasPrefix(text[i:], "${"):
			end := closing(text[i:])
			if end < 0 {
				i++
				continue
			}
			flush(i)
			p.variable(text[i+2 : i+end])
			i += end + 1
			from = i
		default:
			i++
		}
	}
	flush(len(text))
}

// compileResource makes a pattern of a resource. An ARN of less than six parts is completed with *. Variables stand behind
// the fifth colon only; before it, ${ is nothing special and so is in no ARN.
func compileResource(text string, variables bool) pattern {
	var p pattern
	behind := syntax{wildcards: true, variables: variables}
	if !strings.HasPrefix(text, "arn:") {
		behind.scan(&p, text)
		p.simplify()
		return p
	}
	at, colons := 0, 0
	for ; at < len(text) && colons < 5; at++ {
		if end := 0; variables && strings.HasPrefix(text[at:], "${") {
			if end = closing(text[at:]); end > 0 {
				at += end
				continue
			}
		}
		if text[at] == ':' {
			colons++
		}
	}
	syntax{wildcards: true}.scan(&p, text[:at])
	behind.scan(&p, text[at:])
	for ; colons < 5; colons++ {
		behind.scan(&p, ":*")
	}
	p.simplify()
	return p
}

// closing is where the } of the ${ stands that s begins with; a default may have braces in its quotes.
func closing(s string) int {
	quoted := false
	for i := 2; i < len(s); i++ {
		switch s[i] {
		case '\'':
			quoted = !quoted
		case '}':
			if !quoted {
				return i
			}
		}
	}
	return strings.IndexByte(s, '}') // a quote that is never closed is no quote
}

// variable adds what stands between ${ and }.
func (p *pattern) variable(s string) {
	switch s {
	case "*", "?", "$":
		p.add(piece{kind: literal, text: s})
		return
	}
	name, fallback, has := strings.Cut(s, ",")
	name = strings.TrimSpace(name)
	v := piece{kind: variable, name: name, text: strings.ToLower(name), fallible: true}
	if has {
		fallback = strings.TrimSpace(fallback)
		if len(fallback) < 2 || fallback[0] != '\'' || fallback[len(fallback)-1] != '\'' {
			p.never = true
		} else {
			v.fallback, v.fallible = fallback[1:len(fallback)-1], false
		}
	}
	if name == "" {
		p.never = true
	}
	p.vars++
	p.add(v)
}

func (p *pattern) add(c piece) {
	if c.kind == literal && p.fold {
		c.text = lower(c.text)
	}
	if n := len(p.pieces); n > 0 {
		last := &p.pieces[n-1]
		if c.kind == anyText && last.kind == anyText {
			return
		}
		if c.kind == literal && last.kind == literal {
			last.text += c.text
			return
		}
	}
	p.pieces = append(p.pieces, c)
}

func (p *pattern) simplify() {
	n := len(p.pieces)
	if n > 0 && p.pieces[0].kind == literal {
		p.text = p.pieces[0].text
	}
	switch {
	case p.never:
	case n == 0, n == 1 && p.pieces[0].kind == literal:
		p.simple = exactly
	case n == 1 && p.pieces[0].kind == anyText:
		p.simple = everything
	case n == 2 && p.pieces[0].kind == literal && p.pieces[1].kind == anyText:
		p.simple = prefixed
	}
}

// maxVars are the variables of a pattern whose values are found without allocating; policies have one or two.
const maxVars = 8

// match reports whether s is what p describes.
func (p *pattern) match(s string, keys Keys) bool {
	switch p.simple {
	case everything:
		return true
	case exactly:
		if p.fold {
			n, ok := foldPrefix(s, p.text)
			return ok && n == len(s)
		}
		return s == p.text
	case prefixed:
		_, ok := p.prefix(s, p.text)
		return ok
	}
	if p.never {
		return false
	}
	if _, ok := p.prefix(s, p.text); !ok {
		return false
	}
	if p.vars == 0 {
		return p.glob(s, nil)
	}
	var few [maxVars]string
	values := few[:0]
	if p.vars > maxVars {
		values = make([]string, 0, p.vars)
	}
	for i := range p.pieces {
		c := &p.pieces[i]
		if c.kind != variable {
			continue
		}
		var v Value
		if keys != nil {
			v = keys.Key(c.text)
		}
		switch {
		case v.form == single:
			values = append(values, v.one)
		case c.fallible:
			return false // what has no value is equal to nothing and like nothing
		default:
			values = append(values, c.fallback)
		}
	}
	return p.glob(s, values)
}

// glob compares by pieces. It goes back to the last * only, so that it takes at most len(s) times the pattern's length.
func (p *pattern) glob(s string, values []string) bool {
	at, i, vars := 0, 0, 0
	starAt, starPiece, starVars := -1, 0, 0
	for {
		if i < len(p.pieces) {
			c := &p.pieces[i]
			switch c.kind {
			case anyText:
				if i++; i == len(p.pieces) {
					return true
				}
				starAt, starPiece, starVars = at, i, vars
				continue
			case anyOne:
				if at < len(s) {
					_, n := utf8.DecodeRuneInString(s[at:])
					at += n
					i++
					continue
				}
			case literal:
				if n, ok := p.prefix(s[at:], c.text); ok {
					at += n
					i++
					continue
				}
			case variable:
				if n, ok := p.prefix(s[at:], values[vars]); ok {
					at += n
					i++
					vars++
					continue
				}
			}
		} else if at == len(s) {
			return true
		}
		if starAt < 0 || starAt == len(s) {
			return false
		}
		_, n := utf8.DecodeRuneInString(s[starAt:])
		starAt += n
		at, i, vars = starAt, starPiece, starVars
		if c := &p.pieces[i]; c.kind == literal && !p.fold {
			skip := strings.Index(s[at:], c.text)
			if skip < 0 {
				return false
			}
			at += skip
			starAt = at
		}
	}
}

// prefix is how much of s is what it has to begin with.
func (p *pattern) prefix(s, with string) (int, bool) {
	if p.fold {
		return foldPrefix(s, with)
	}
	return len(with), strings.HasPrefix(s, with)
}

// foldPrefix is how much of s is with, in letters of either case.
func foldPrefix(s, with string) (int, bool) {
	i := 0
	for j := 0; j < len(with); {
		if i == len(s) {
			return 0, false
		}
		a, b := s[i], with[j]
		if a < utf8.RuneSelf && b < utf8.RuneSelf {
			if a != b && lowerByte(a) != lowerByte(b) {
				return 0, false
			}
			i++
			j++
			continue
		}
		x, n := utf8.DecodeRuneInString(s[i:])
		y, m := utf8.DecodeRuneInString(with[j:])
		if x != y && unicode.ToLower(x) != unicode.ToLower(y) {
			return 0, false
		}
		i += n
		j += m
	}
	return i, true
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// lower is s with its ASCII letters in lower case.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lowerByte(b[i])
			}
			return string(b)
		}
	}
	return s
}

// splitARN cuts a text at its first five colons that are not inside of a variable.
func splitARN(s string) (parts [6]string, ok bool) {
	n, from := 0, 0
	for i := 0; i < len(s) && n < 5; i++ {
		if s[i] == '$' && strings.HasPrefix(s[i:], "${") {
			if end := closing(s[i:]); end > 0 {
				i += end
				continue
			}
		}
		if s[i] == ':' {
			parts[n] = s[from:i]
			n++
			from = i + 1
		}
	}
	parts[n] = s[from:]
	return parts, n == 5
}
