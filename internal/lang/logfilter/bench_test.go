package logfilter_test

import (
	"fmt"
	"strings"
	"testing"
)

// lines makes messages of 200 bytes of which none has a needle in it.
func lines(t testing.TB, form string, n int) []string {
	t.Helper()
	all := make([]string, n)
	for i := range all {
		request := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", i*2654435761, i%65536, i%4096, i*7%4096, i*104729)
		var m string
		switch form {
		case "plain":
			m = fmt.Sprintf("2026-11-23T17:00:%02d.%03dZ %s INFO worker %d: request %s took %d ms, answered ", i%60, i%1000, request[:8], i%64, request, i%977)
		case "access":
			m = fmt.Sprintf(`10.%d.%d.%d - user%d [23/Nov/2026:17:00:%02d +0000] "GET /service/resource/%d HTTP/1.1" %d %d `, i%256, i/256%256, i%7, i%100, i%60, i, []int{200, 200, 304, 404}[i%4], i*31%9000)
		case "json":
			m = fmt.Sprintf(`{"level":"INFO","time":%d,"text":"request \"%s\"","request":{"path":"/service/%d","bytes":%d,"ok":true},"tags":["a","b%d"],"pad":"`, 1763917200000+i, request, i, i*31%9000, i%10)
		default:
			t.Fatal(form)
		}
		if form == "json" {
			m += strings.Repeat("x", max(0, 198-len(m))) + `"}`
		} else {
			m += strings.Repeat("x", max(0, 200-len(m)))
		}
		all[i] = m
	}
	return all
}

// BenchmarkMatch is a line of 200 bytes that does not match.
func BenchmarkMatch(b *testing.B) {
	for _, c := range []struct{ name, form, pattern string }{
		{"term", "plain", "needle"},
		{"four terms", "plain", "INFO worker request needle"},
		{"phrase", "plain", `"the needle in it"`},
		{"alternatives", "plain", "?needle ?pin ?thread"},
		{"absent", "plain", "-INFO"},
		{"regex with a literal", "plain", `%needle [0-9]+%`},
		{"regex of alternatives", "plain", `%needle|pin|thread%`},
		{"regex without", "plain", `%[Nn][Ee]edle%`},
		{"fields with a word", "access", `[ip, id, user, time, request=*needle*, status, bytes]`},
		{"fields with a number", "access", `[ip, id, user, time, request, status >= 500, bytes]`},
		{"fields with dots", "access", `[..., size >= 90000, pad]`},
		{"property with a word", "json", `{ $.level = "needle" }`},
		{"property with a number", "json", `{ $.request.bytes > 10000 }`},
		{"property with a wildcard", "json", `{ $.request.* = 10001 }`},
		{"four properties", "json", `{ $.level = "INFO" && $.request.ok IS TRUE && $.tags[1] = "b*" && $.request.bytes > 10000 }`},
	} {
		b.Run(c.name, func(b *testing.B) {
			all := lines(b, c.form, 4096)
			f := parse(b, c.pattern)
			b.SetBytes(int64(len(all[0])))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if f.Match(all[i&4095]) {
					b.Fatal(all[i&4095])
				}
			}
		})
	}
}

// BenchmarkMillion is a million lines of 200 bytes and one with a rare term.
func BenchmarkMillion(b *testing.B) {
	all := lines(b, "plain", 1_000_000)
	all[777_777] += " needle"
	for _, pattern := range []string{"needle", "%need[l]e%", "[..., last=needle]"} {
		f := parse(b, pattern)
		b.Run(pattern, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, m := range all {
					if f.Match(m) {
						n++
					}
				}
				if n != 1 {
					b.Fatal(n)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		parse(b, `{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = 3) && $.actions[2] = "DELETE" }`)
	}
}
