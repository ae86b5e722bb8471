package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
)

// jsonLines writes values as JSON, each on a line of its own and in one write.
type jsonLines struct {
	w      io.Writer
	buffer bytes.Buffer
}

func (l *jsonLines) Encode(v any) error {
	l.buffer.Reset()
	e := json.NewEncoder(&l.buffer)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := l.w.Write(EscapeControls(l.buffer.Bytes()))
	return err
}

// EscapeControls escapes, in JSON, what encoding/json leaves and a terminal
// obeys: DEL, the C1 controls (U+009B begins a sequence like ESC [) and format
// characters, which turn the line round. The JSON means the same.
func EscapeControls(b []byte) []byte {
	if bytes.IndexFunc(b, obeyed) < 0 {
		return b
	}
	var out bytes.Buffer
	for _, r := range string(b) {
		if !obeyed(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.Bytes()
}

func obeyed(r rune) bool { return r >= 0x7f && r <= 0x9f || unicode.Is(unicode.Cf, r) }
