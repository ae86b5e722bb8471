package admin

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestJSONLinesHoldNothingThatATerminalObeys(t *testing.T) {
	for _, text := range []string{
		"plain 文字 <b>", "C0 \x1b[31m\x07\x00", "DEL \x7f", "C1 \u009b31m\u0085", "bidi \u202eevil\u2066\u200f",
		"family \U0001F468\u200d\U0001F469", "tag \U000E0041",
	} {
		var out bytes.Buffer
		if err := (&jsonLines{w: &out}).Encode(text); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(strings.TrimSuffix(out.String(), "\n"), func(r rune) bool { return r < ' ' || obeyed(r) }); i >= 0 {
			t.Errorf("%q is written as %q", text, out.String())
		}
		var back string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back != text {
			t.Errorf("%q came back as %q, %v", text, back, err)
		}
	}
}
