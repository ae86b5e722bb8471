package secure

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestKeysNeverPrint prints everything that has a key in it in every way that
// comes to mind, and looks for the key in the way it would look.
func TestKeysNeverPrint(t *testing.T) {
	raw := []byte("a secret of 30 bytes, and text")
	key := newKey(raw)
	out, err := NewOutbound(AES_CM_128_HMAC_SHA1_80, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	gcmOut, err := NewOutbound(AEAD_AES_128_GCM, newKey(raw[:28]), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, wrong := NewOutbound(AEAD_AES_128_GCM, key, nil)
	var text bytes.Buffer
	for _, v := range []any{
		key, &key, []Key{key}, map[string]Key{"k": key}, map[int]any{1: key},
		Crypto{Tag: 1, Suite: AES_CM_128_HMAC_SHA1_80, Key: key}, &Crypto{Key: key},
		Keys{Inbound: key, Outbound: key},
		struct{ hidden Key }{key}, &struct{ hidden *Crypto }{&Crypto{Key: key}}, struct{ hidden Crypto }{Crypto{Key: key}},
		out, *out, gcmOut, wrong,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%c", "%w"} {
			fmt.Fprintf(&text, verb+"\n", v)
		}
		fmt.Fprintln(&text, v)
		asJSON, err := json.Marshal(v)
		fmt.Fprintln(&text, string(asJSON), err)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&text, nil)} {
			slog.New(handler).Info("key", "value", v, slog.Group("in", "a group", v))
		}
	}
	if !strings.Contains(text.String(), redacted) {
		t.Error("nothing says that something was left out")
	}
	part := raw[2:14]
	for name, form := range map[string]string{
		"text":        string(part),
		"hex":         hex.EncodeToString(part),
		"upper hex":   strings.ToUpper(hex.EncodeToString(part)),
		"decimal":     strings.Trim(fmt.Sprint(part), "[]"),
		"Go":          strings.Trim(fmt.Sprintf("%#v", part), "[]byte{}"),
		"base64":      base64.StdEncoding.EncodeToString(raw[:12]),
		"characters":  strings.Trim(fmt.Sprintf("%c", part), "[]"),
		"base64 tail": base64.StdEncoding.EncodeToString(raw[12:24]),
	} {
		if strings.Contains(text.String(), form) {
			t.Errorf("a key was printed as %s", name)
		}
	}
}

func TestKeyEqual(t *testing.T) {
	a, b := newKey([]byte("same")), newKey([]byte("same"))
	if !a.Equal(b) || a.Equal(newKey([]byte("else"))) || a.Equal(Key{}) || !(Key{}).Equal(Key{}) {
		t.Error("Equal does not compare the bytes")
	}
	if NewKey(AEAD_AES_128_GCM).Equal(NewKey(AEAD_AES_128_GCM)) {
		t.Error("two new keys are the same")
	}
}
