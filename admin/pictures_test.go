package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/picture"
	"github.com/sparkleim/sparkle/store"
)

// TestPicturesByREST: an upload is somebody's when it is answered, everybody's
// record tells where it is, and a refused one changes nothing.
func TestPicturesByREST(t *testing.T) {
	f := newFixture(t)
	uploaded := f.unix(t, "PUT", "/v1/users/alice/picture", "face")
	if uploaded.Code != http.StatusOK || !strings.Contains(uploaded.Body.String(), `"https://example.com/pictures/1-0.jpg"`) {
		t.Errorf("%d %s", uploaded.Code, uploaded.Body)
	}
	if u := f.accounts.users[0]; u.Picture != "kept-face" || f.gallery.unsettled != 0 {
		t.Errorf("alice has %q, %d uploads are not settled", u.Picture, f.gallery.unsettled)
	}
	for path, want := range map[string]string{
		"/v1/users/alice":               `"picture":"https://example.com/pictures/1-0.jpg"`,
		"/v1/users":                     `"picture":"https://example.com/pictures/2-0.jpg"`,
		"/v1/groups/tech":               `"picture":"https://example.com/pictures/0-`,
		"/v1/users/alice/picture":       "1 0 at 512",
		"/v1/users/alice/picture?s=96":  "1 0 at 96",
		"/v1/groups/tech/picture?s=512": "at 512",
	} {
		if w := f.unix(t, "GET", path, ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", path, w.Code, w.Body, want)
		}
	}
	if got := f.unix(t, "GET", "/v1/users/alice/picture", "").Header().Get("Content-Type"); got != "image/jpeg" {
		t.Errorf("a picture is %s", got)
	}
	for _, refused := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "/v1/users/alice/picture", "no picture", 422},
		{"PUT", "/v1/users/nobody/picture", "face", 404},
		{"PUT", "/v1/groups/nothing/picture", "face", 404},
		{"PUT", "/v1/users/alice/picture", strings.Repeat("x", picture.MaxBytes+1), 413},
		{"GET", "/v1/users/alice/picture?s=4096", "", 422},
		{"GET", "/v1/users/nobody/picture", "", 404},
	} {
		if w := f.unix(t, refused.method, refused.path, refused.body); w.Code != refused.status {
			t.Errorf("%s %s: %d %s", refused.method, refused.path, w.Code, w.Body)
		}
	}
	f.unix(t, "PUT", "/v1/groups/tech/picture", "sign")
	if g, _ := f.organisation.Find("tech"); g.Picture != "kept-sign" || f.accounts.users[0].Picture != "kept-face" {
		t.Errorf("tech has %q", g.Picture)
	}
	f.unix(t, "DELETE", "/v1/groups/tech/picture", "")
	f.unix(t, "DELETE", "/v1/users/alice/picture", "")
	if g, _ := f.organisation.Find("tech"); g.Picture != "" || f.accounts.users[0].Picture != "" {
		t.Errorf("after removal: %q, %q", g.Picture, f.accounts.users[0].Picture)
	}
}

// TestMyPicture: a user changes his own and no other.
func TestMyPicture(t *testing.T) {
	w := newMeWorld(t)
	if r := w.ask("alice", "PUT", "/v1/me/picture", "me"); r.Code != http.StatusOK || w.accounts.users[0].Picture != "kept-me" || w.accounts.users[1].Picture != "" {
		t.Errorf("%d %s, %+v", r.Code, r.Body, w.accounts.users)
	}
	var me Person
	w.must(json.Unmarshal(w.ask("alice", "GET", "/v1/me", "").Body.Bytes(), &me))
	if me.Picture != w.gallery.URL(picture.Owner{User: store.UserID(1)}) {
		t.Errorf("my picture is at %q", me.Picture)
	}
	if r := w.ask("alice", "DELETE", "/v1/me/picture", ""); r.Code != http.StatusOK || w.accounts.users[0].Picture != "" {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}
