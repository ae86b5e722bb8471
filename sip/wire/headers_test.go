package wire

import (
	"strings"
	"testing"
)

func TestHeaders(t *testing.T) {
	var b Headers
	b.Add("f", "<sip:", "alice", "@example.com>", ";tag=1")
	b.Add("Subject", "lunch\r\nVia: forged")
	b.Add("x-odd", "a\n", "b")
	for range 100 { // the texts outgrow their first piece of memory
		b.Add("To", "<sip:", strings.Repeat("b", 100), ">")
	}
	list := b.List()
	for i, want := range []string{"From: <sip:alice@example.com>;tag=1", "Subject: lunch  Via: forged", "x-odd: a b"} {
		if got := list[i].String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if len(list) != 103 || list[102].Value() != "<sip:"+strings.Repeat("b", 100)+">" {
		t.Errorf("%d headers, the last one %q", len(list), list[len(list)-1].Value())
	}
}

func TestHeadersAllocateLittle(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		b := NewHeaders(8, 256)
		for range 8 {
			b.Add("To", "<sip:", "bob", "@example.com>")
		}
		b.List()
	})
	if n > 3 {
		t.Errorf("%v allocations, want 3: the texts, the fields, their list", n)
	}
}
