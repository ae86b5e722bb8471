package payload

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const listHead = `<?xml version="1.0" encoding="UTF-8"?>` +
	`<p1:resource-lists xmlns:p1="urn:ietf:params:xml:ns:resource-lists" xmlns:cp="urn:ietf:params:xml:ns:copycontrol">`

func TestParseList(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"as Linphone writes it": {listHead + `<p1:list><p1:entry uri="sip:bob@example.test"/>` +
			`<p1:entry uri="sip:team-x@example.test;Last-Notify=1"></p1:entry></p1:list></p1:resource-lists>`,
			[]string{"sip:bob@example.test", "sip:team-x@example.test;Last-Notify=1"}},
		"without prefix, with names and attributes of others": {
			`<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="x"><display-name>Us</display-name>` +
				`<entry uri="sip:a@b" z="1"><display-name>A &amp; B</display-name></entry></list></resource-lists>`, []string{"sip:a@b"}},
		"nested and two lists, in order": {listHead + `<p1:list><p1:list><p1:entry uri="sip:1@x"/></p1:list><p1:entry uri="sip:2@x"/></p1:list>` +
			`<p1:list><p1:entry uri="sip:3@x" cp:copyControl="to"/></p1:list></p1:resource-lists>`, []string{"sip:1@x", "sip:2@x", "sip:3@x"}},
		"what points elsewhere is passed over": {listHead + `<p1:list><p1:entry-ref ref="x"/><p1:external anchor="http://a/b"/>` +
			`<p1:entry/><o:entry xmlns:o="urn:other" uri="sip:no@x"/><p1:entry uri="sip:1@x"/></p1:list></p1:resource-lists>`, []string{"sip:1@x"}},
		"empty": {listHead + `<p1:list/></p1:resource-lists>`, nil},
	} {
		if got, err := ParseList([]byte(c.in), 3); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// listOf writes a list of n entries, each with as many bytes of name.
func listOf(n, size int) []byte {
	var b strings.Builder
	b.WriteString(listHead + "<p1:list>\n")
	for i := range n {
		fmt.Fprintf(&b, "<p1:entry uri=\"sip:team-%0*d@example.test\"/>\n", size, i)
	}
	return append([]byte(b.String()), "</p1:list></p1:resource-lists>"...)
}

func TestParseListIsBounded(t *testing.T) {
	if got, err := ParseList(listOf(1000, 12), 1000); err != nil || len(got) != 1000 {
		t.Errorf("a thousand entries: %d, %v", len(got), err)
	}
	nested := strings.Repeat("<p1:list>", 1000) + strings.Repeat("</p1:list>", 1000)
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"one too many":      {listOf(1001, 12), ErrListSize},
		"large":             {listOf(1000, 300), ErrListSize},
		"many small things": {[]byte(listHead + strings.Repeat("<a/>", 50000) + "</p1:resource-lists>"), ErrXML},
		"deep":              {[]byte(listHead + nested + "</p1:resource-lists>"), ErrXML},
		"entities": {[]byte(`<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]>` +
			listHead + `<p1:list><p1:entry uri="&c;"/></p1:list></p1:resource-lists>`), ErrXML},
		"another document": {[]byte(`<list xmlns="urn:ietf:params:xml:ns:resource-lists"><entry uri="sip:a@b"/></list>`), ErrXML},
		"no namespace":     {[]byte(`<resource-lists><list><entry uri="sip:a@b"/></list></resource-lists>`), ErrXML},
		"no XML":           {[]byte("sip:a@b"), ErrXML},
		"nothing":          {nil, ErrXML},
	} {
		if got, err := ParseList(c.in, 1000); !errors.Is(err, c.want) {
			t.Errorf("%s: %d entries, %v, want %v", name, len(got), err, c.want)
		}
	}
}

// Text that comes in thousands of pieces is put together once.
func TestTextInPieces(t *testing.T) {
	pieces := strings.Repeat(strings.Repeat("a", 50)+"<!---->", 4000)
	doc := []byte(listHead + "<p1:list>" + pieces + "</p1:list></p1:resource-lists>")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := ParseList(doc, 1); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 32<<20 {
		t.Errorf("%d MiB for a document of %d KiB", spent>>20, len(doc)>>10)
	}
}

func FuzzParseList(f *testing.F) {
	f.Add(listOf(3, 1))
	f.Add([]byte(listHead + `<p1:list><p1:list/><p1:entry uri="sip:a@b"/></p1:list></p1:resource-lists>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseList(b, 10)
		if err != nil && got != nil || len(got) > 10 {
			t.Fatalf("%q, %v", got, err)
		}
		for _, uri := range got {
			if uri == "" {
				t.Fatal("an entry without URI")
			}
		}
	})
}
