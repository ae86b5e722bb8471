package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/admin"
	"golang.org/x/image/draw"
)

// redFile is a picture on disk.
func redFile(t *testing.T, c color.Color) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 300, 200))
	draw.Draw(m, m.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
	path := filepath.Join(t.TempDir(), "face.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, m); err != nil {
		t.Fatal(err)
	}
	return path
}

// browser sees what is at an address, without a token.
type browser struct {
	t *testing.T
	*http.Client
}

func (d *demo) browser(t *testing.T) browser {
	return browser{t, &http.Client{Transport: &http.Transport{TLSClientConfig: d.config.Clone()}}}
}

// get returns the answer, the tag that it may be asked by the next time, and the
// colour of its middle.
func (b browser) get(address, tag string) (status int, newTag string, middle color.RGBA, side int) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	answer, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if answer.StatusCode == http.StatusOK {
		m, err := jpeg.Decode(bytes.NewReader(body))
		if err != nil || answer.Header.Get("Content-Type") != "image/jpeg" {
			b.t.Fatal(answer.Header, err)
		}
		side = m.Bounds().Dx()
		middle = color.RGBAModel.Convert(m.At(side/2, side/2)).(color.RGBA)
	}
	return answer.StatusCode, answer.Header.Get("ETag"), middle, side
}

func isRed(c color.RGBA) bool  { return c.R > 240 && c.G < 20 && c.B < 20 }
func isBlue(c color.RGBA) bool { return c.B > 240 && c.G < 20 && c.R < 20 }

// TestPictures: uploaded by the command line, seen by everybody who has the
// address, in a group's mosaic, after a restore, and not after removal.
func TestPictures(t *testing.T) {
	d := startDemo(t, t.TempDir())
	web := d.browser(t)
	command := func(args ...string) string {
		t.Helper()
		code, out, errOut := d.command(t, "", args...)
		if code != exitDone {
			t.Fatalf("%q: %d %s", args, code, errOut)
		}
		return strings.TrimSpace(out)
	}
	command("group", "add", "lunch", "--subject", "Lunch", "--member", "alice")
	var group admin.Group
	d.call(t, http.MethodGet, "/v1/groups/lunch", nil, &group)
	_, alone, _, _ := web.get(group.Picture, "")

	address := command("user", "picture", "alice", redFile(t, color.RGBA{R: 255, A: 255}))
	status, tag, middle, side := web.get(address, "")
	if status != http.StatusOK || !isRed(middle) || side != 512 {
		t.Errorf("Alice: %d %v, %d pixels", status, middle, side)
	}
	if status, _, middle, side := web.get(address+"?s=96", ""); status != http.StatusOK || !isRed(middle) || side != 96 {
		t.Errorf("Alice, small: %d %v, %d pixels", status, middle, side)
	}
	if status, _, _, _ := web.get(address, tag); status != http.StatusNotModified {
		t.Errorf("Alice, once more: %d", status)
	}
	if status, mosaic, middle, _ := web.get(group.Picture, alone); status != http.StatusOK || !isRed(middle) || mosaic == alone {
		t.Errorf("the group of Alice: %d %v", status, middle)
	}
	if again := command("user", "picture", "alice", redFile(t, color.RGBA{B: 255, A: 255})); again != address {
		t.Errorf("the address changed from %s to %s", address, again)
	}
	if status, other, middle, _ := web.get(address, tag); status != http.StatusOK || !isBlue(middle) || other == tag {
		t.Errorf("Alice, changed: %d %v", status, middle)
	}
	if at := command("group", "picture", "lunch", redFile(t, color.RGBA{R: 255, A: 255})); at != group.Picture {
		t.Errorf("the group's is at %s, not %s", at, group.Picture)
	}

	before, name := address[:strings.LastIndex(address, "/")+1], filepath.Base(address)
	for _, nobody := range []string{before + name[1:2] + name[:1] + name[2:], strings.TrimSuffix(address, ".jpg"), before + "%2e%2e%2fmain.db", before + strings.Repeat("a", 26) + ".jpg"} {
		if nobody == address {
			continue // its first two letters are the same
		}
		if status, _, _, _ := web.get(nobody, ""); status != http.StatusNotFound {
			t.Errorf("%s: %d", nobody, status)
		}
	}
	if code, _, errOut := d.command(t, "no picture", "user", "picture", "alice", "-"); code != exitFailed || !strings.Contains(errOut, "PNG, JPEG, GIF or WebP") {
		t.Errorf("a text as a picture: %d %s", code, errOut)
	}

	backup := filepath.Join(t.TempDir(), "backup.tar")
	command("backup", backup)
	command("group", "picture", "lunch", "--remove")
	if status, _, middle, _ := web.get(group.Picture, ""); status != http.StatusOK || !isBlue(middle) {
		t.Errorf("the group without a picture of its own: %d %v", status, middle)
	}
	command("user", "remove", "alice")
	if status, _, _, _ := web.get(address, ""); status != http.StatusNotFound {
		t.Errorf("Alice, removed: %d", status)
	}
	testRestoredPictures(t, backup)
}

// testRestoredPictures: they come back with a backup, and what is lost is told.
func testRestoredPictures(t *testing.T, backup string) {
	restored := filepath.Join(t.TempDir(), "restored")
	if code, out, errOut := command(t, "", "restore", backup, restored); code != exitDone {
		t.Fatalf("%d %s%s", code, out, errOut)
	}
	files, err := filepath.Glob(filepath.Join(restored, picturesName, "*.jpg"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files of pictures, %v", len(files), err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	code, out, _ := command(t, "", "--data", restored, "verify")
	for _, owner := range []string{" of user alice@", " of group lunch@", "2 problems"} {
		if code == exitDone || !strings.Contains(out, owner) {
			t.Errorf("%d, no %q in\n%s", code, owner, out)
		}
	}
}
