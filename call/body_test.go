package call

import (
	"bytes"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func TestBodies(t *testing.T) {
	const part = "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--x--\r\n"
	tests := []struct {
		name, kind, text string
		sdp              string
		foreign          bool
		refused          bool
	}{
		{"none", "", "", "", false, false},
		{"alone", "application/sdp", "v=0\r\n", "v=0\r\n", false, false},
		{"with a parameter", "Application/SDP ; charset=utf-8", "v=0", "v=0", false, false},
		{"something else", "text/plain", "v=0", "", true, false},
		{"without type", "", "v=0", "", true, false},
		{"a part", "multipart/mixed; boundary=x", part, "v=0\r\n", false, false},
		{"a part in quotes", `multipart/alternative;q=1;boundary="x"`, "preamble\r\n" + part, "v=0\r\n", false, false},
		{"compact", "multipart/mixed;boundary=x", "--x\r\nc: application/sdp\r\n\r\nv=0\r\n--x--", "v=0", false, false},
		{"no end", "multipart/mixed;boundary=x", "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n", "", true, true},
		{"other parts only", "multipart/mixed;boundary=x", "--x\r\nContent-Type: text/plain\r\n\r\nv=0\r\n--x--", "", true, false},
		{"two", "multipart/mixed;boundary=x", "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n" + part, "v=0", false, true},
		{"one within another", "multipart/mixed;boundary=x", "--x\r\nContent-Type: multipart/mixed;boundary=y\r\n\r\n--y\r\nc: Application/SDP\r\n\r\nv=0\r\n--y--\r\n--x--", "", true, true},
		{"no boundary", "multipart/mixed", part, "", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := sip.NewResponse(200, "OK")
			m.SetBody([]byte(tt.text))
			if tt.kind != "" {
				m.AppendHeader(sip.NewHeader("Content-Type", tt.kind))
			}
			b, err := bodyOf(m)
			if (err != nil) != tt.refused || string(b.sdp) != tt.sdp || b.foreign != tt.foreign {
				t.Errorf("%q, foreign %v, %v", b.sdp, b.foreign, err)
			}
		})
	}
}

// Whatever a body looks like, putting the description back gives the body.
func FuzzBody(f *testing.F) {
	f.Add("multipart/mixed;boundary=x", []byte("--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--\r\n"))
	f.Add("application/sdp", []byte("v=0"))
	f.Add(`multipart/a;boundary="--"`, []byte("------\r\n\r\n\r\n----"))
	f.Fuzz(func(t *testing.T, kind string, text []byte) {
		m := sip.NewResponse(200, "OK")
		m.SetBody(text)
		m.AppendHeader(sip.NewHeader("Content-Type", kind))
		b, err := bodyOf(m)
		if err != nil || b.sdp == nil {
			return
		}
		if whole := b.with(b.sdp); !bytes.Equal(whole, text) {
			t.Errorf("%q became %q", text, whole)
		}
	})
}
