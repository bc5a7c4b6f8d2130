package xmltext_test

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/wire/xmltext"
)

// read is the text of the root's first element of that name, and whether the document is well formed.
func read(document, name string) (text string, ok bool) {
	var r xmltext.Scanner
	r.Begin(document)
	root, ok := r.Root()
	for ok && !r.Closed {
		var child string
		if child, ok = r.Next(root); !ok {
			break
		}
		if xmltext.Local(child) == name && text == "" {
			text, ok = r.Text(child)
		} else {
			ok = r.Skip(child, 10)
		}
	}
	return text, !r.Failed() && r.Finished()
}

func TestDocumentsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, document := range []string{
		"", " ", "a", "<", "<a", "<a>", "<a></b>", "<a></a", "<a></a>b", "<a></a><b/>", "<a b></a>", "<a b=c></a>", `<a b="c></a>`, `<a b="<"></a>`,
		"<a/ >", "<a>&</a>x", "<a><t>&amp</t></a>", "<a><t>&nbsp;</t></a>", "<a><t>&#0;</t></a>", "<a><t>&#xD800;</t></a>", "<a><![CDATA[</a>",
		"<a><t>\x1d</t></a>", "<a><t>\xff</t></a>", "<a><t>\uFFFE</t></a>", "<a><t>&#x1d;</t></a>", "<a><t>&#xFFFF;</t></a>", "<a><t>&#x110000;</t></a>", "<a b='\x00'/>",
		"<!DOCTYPE a><a/>", "<a><!--</a>", "<a><?b</a>", "<a>" + strings.Repeat("<b>", 20) + strings.Repeat("</b>", 20) + "</a>",
	} {
		if text, ok := read(document, "t"); ok {
			t.Errorf("%q is taken for a document with %q in it", document, text)
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		"<a/>": "", "<a><t/></a>": "", "<a>x<t></t>y</a>": "", "<a><t>one</t><t>two</t></a>": "one",
		"\uFEFF<?xml version='1.0'?> <!-- c --><a x = 'y' >  <p:t>&lt;&#65;&#x42;&apos;</p:t></a> <!-- d -->": "<AB'",
		"<a><t>one<!-- c --> two<b>no</b><![CDATA[<&>]]>\r\nthree\rfour</t></a>":                              "one two<&>\nthree\nfour",
	} {
		if text, ok := read(document, "t"); !ok || text != want {
			t.Errorf("%q: read %q, %t, want %q", document, text, ok, want)
		}
	}
}

// What is written is read as the same, where XML can hold it.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a<b>&\"'\r\n\t", "\x00\x1f\uFFFE", "\xff", "]]>", "grüße"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		written := string(xmltext.Append(nil, s))
		got, ok := read("<a><t>"+written+"</t></a>", "t")
		var want struct {
			T string `xml:"t"`
		}
		if err := xml.Unmarshal([]byte("<a><t>"+written+"</t></a>"), &want); err != nil || !ok {
			t.Fatalf("%q was written as %q: %v, %t", s, written, err, ok)
		}
		if got != want.T {
			t.Errorf("%q is read as %q, by encoding/xml as %q", written, got, want.T)
		}
	})
}

// Whatever comes in, reading it ends.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{"<a><t>one<b x='y'/></t></a>", "<a><![CDATA[x]]></a>", "<a>&lt;</a>", "<a/>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { read(s, "t") })
}
