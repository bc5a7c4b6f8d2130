package uri

import "strings"

// Param is a parameter of a form or query string.
type Param struct{ Key, Value string }

// ParseForm appends the parameters of a form or query string to list.
func ParseForm(list []Param, s string) ([]Param, bool) {
	for s != "" {
		var p string
		p, s, _ = strings.Cut(s, "&")
		if p == "" {
			continue
		}
		key, value, _ := strings.Cut(p, "=")
		k, ok := Unescape(key, true)
		if !ok {
			return list, false
		}
		v, ok := Unescape(value, true)
		if !ok {
			return list, false
		}
		list = append(list, Param{k, v})
	}
	return list, true
}

// FormValue finds one parameter of a form without reading the others.
func FormValue(s, name string) string {
	for s != "" {
		var p string
		p, s, _ = strings.Cut(s, "&")
		if rest, ok := strings.CutPrefix(p, name); ok && strings.HasPrefix(rest, "=") {
			v, _ := Unescape(rest[1:], true)
			return v
		}
	}
	return ""
}

// Unescape is s with its percent escapes read, and its pluses where form is true.
func Unescape(s string, form bool) (string, bool) {
	i := 0
	for i < len(s) && s[i] != '%' && (s[i] != '+' || !form) {
		i++
	}
	if i == len(s) {
		return s, true
	}
	b := make([]byte, i, len(s))
	copy(b, s)
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			if i+2 >= len(s) {
				return "", false
			}
			hi, lo := hexValue(s[i+1]), hexValue(s[i+2])
			if hi > 15 || lo > 15 {
				return "", false
			}
			b = append(b, hi<<4|lo)
			i += 2
		case c == '+' && form:
			b = append(b, ' ')
		default:
			b = append(b, c)
		}
	}
	return string(b), true
}

func hexValue(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// Escape is s for a URI: all but letters, digits and -._~ is escaped, and the slash unless it is wanted.
func Escape(s string, slashes bool) string {
	const hex = "0123456789ABCDEF"
	var b []byte
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '/' && slashes:
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}
