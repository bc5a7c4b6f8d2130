package dataprotection

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// mails finds addresses of electronic mail.
func mails(text string, found func(start, end int)) {
	for from := 0; ; {
		i := strings.IndexByte(text[from:], '@')
		if i < 0 {
			return
		}
		at := from + i
		start, end := at, at+1
		for start > from && isLocal(text[start-1]) {
			start--
		}
		for start < at && text[start] == '.' {
			start++
		}
		dot := 0 // where the last part of the domain begins
		for end < len(text) && (isAlphanumeric(text[end]) || text[end] == '-' || text[end] == '.' && text[end-1] != '.' && text[end-1] != '@') {
			if text[end] == '.' {
				dot = end + 1
			}
			end++
		}
		for dot > 0 && (end == dot || !isLetters(text[dot:end])) { // what is behind the last that can be a domain is not of it
			end = dot - 1
			dot = at + 2 + strings.LastIndexByte(text[at+1:end], '.')
			if dot == at+1 {
				dot = 0
			}
		}
		from = at + 1
		if dot > 0 && start < at && text[at-1] != '.' && end-dot >= 2 {
			found(start, end)
			from = end
		}
	}
}

func isLocal(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("._%+-!#$&*?^~", c) >= 0
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isLetters(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}

// addresses finds those of the Internet, of both versions.
func addresses(text string, found func(start, end int)) {
	for at := 0; at < len(text); {
		if !isAddress(text[at]) {
			at++
			continue
		}
		start, dots, colons := at, 0, 0
		for at < len(text) && isAddress(text[at]) {
			switch text[at] {
			case '.':
				dots++
			case ':':
				colons++
			}
			at++
		}
		if dots < 3 && colons < 2 {
			continue
		}
		one(text, start, at, dots, colons, found)
	}
}

// one finds an address in what has only its characters: with a port, or a colon or a dot that is not of it, behind or in front.
func one(text string, start, end, dots, colons int, found func(start, end int)) {
	for end > start && text[end-1] == '.' {
		end--
	}
	for start < end && text[start] == '.' {
		start++
	}
	if end-start < 2 || end-start > 64 {
		return
	}
	if text[start] == ':' && text[start+1] != ':' {
		start, colons = start+1, colons-1
	}
	if text[end-1] == ':' && text[end-2] != ':' {
		end, colons = end-1, colons-1
	}
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	after, _ := utf8.DecodeRuneInString(text[end:])
	if isWord(before) && text[start] != ':' || isWord(after) && text[end-1] != ':' {
		return
	}
	is := func(from, to int) bool {
		_, err := netip.ParseAddr(text[from:to])
		return err == nil
	}
	if is(start, end) {
		found(start, end)
		return
	}
	if i := strings.IndexByte(text[start:end], ':'); dots >= 3 && colons == 1 && is(start, start+i) {
		found(start, start+i)
	}
}

func isAddress(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == '.' || c == ':'
}
