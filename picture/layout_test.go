package picture

import (
	"fmt"
	"strings"
	"testing"
)

// TestLayout states where faces are in a mosaic of 320 pixels: corners and side.
func TestLayout(t *testing.T) {
	for faces, want := range []string{
		1: "300: 10,10",
		2: "145: 10,87 165,87",
		3: "145: 87,10 10,165 165,165",
		4: "145: 10,10 165,10 10,165 165,165",
		5: "93: 62,62 165,62 10,165 113,165 216,165",
		6: "93: 10,62 113,62 216,62 10,165 113,165 216,165",
		7: "93: 113,10 10,113 113,113 216,113 10,216 113,216 216,216",
		8: "93: 62,10 165,10 10,113 113,113 216,113 10,216 113,216 216,216",
		9: "93: 10,10 113,10 216,10 10,113 113,113 216,113 10,216 113,216 216,216",
	} {
		if faces == 0 {
			continue
		}
		cells := layout(faces, 320)
		got := fmt.Sprintf("%d:", cells[0].Dx())
		for i, c := range cells {
			got += fmt.Sprintf(" %d,%d", c.Min.X, c.Min.Y)
			for _, other := range cells[:i] {
				if c.Overlaps(other) {
					t.Errorf("%d faces: %v overlaps %v", faces, c, other)
				}
			}
		}
		if got != want {
			t.Errorf("%d faces:\n got %s\nwant %s", faces, got, want)
		}
	}
}

// TestTile: everybody has a tile of his own, that stays the same, and is the same
// left and right.
func TestTile(t *testing.T) {
	tiles := map[string]bool{}
	for seed := range int64(200) {
		m := tile(seed, int(Small))
		if string(m.Pix) != string(tile(seed, int(Small)).Pix) {
			t.Fatal("a tile changes")
		}
		side := m.Bounds().Dx()
		for x := range side / 2 {
			if m.RGBAAt(x, side/3) != m.RGBAAt(side-1-x, side/3) && x > side/8+1 && (x-side/8)%14 > 1 && (x-side/8)%14 < 13 {
				t.Fatalf("tile %d is not symmetric at %d", seed, x)
			}
		}
		tiles[string(m.Pix)] = true
	}
	if len(tiles) < 198 {
		t.Errorf("%d tiles of 200 people", len(tiles))
	}
}

func TestNames(t *testing.T) {
	s := newService(t, t.TempDir())
	other, err := New(Config{Dir: t.TempDir(), Secret: []byte("another secret of 16 bytes")})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, o := range []Owner{{User: 1}, {User: 2}, {Group: 1}, {Group: 1 << 40}} {
		name := s.Name(o)
		if got, ok := s.Owner(name); !ok || got != o {
			t.Errorf("%s: %+v %v, want %+v", name, got, ok, o)
		}
		if got, ok := s.Owner(strings.ToUpper(name)); !ok || got != o {
			t.Errorf("%s in capitals: %+v", name, got)
		}
		if _, ok := other.Owner(name); ok {
			t.Errorf("%s is a name of another server", name)
		}
		if seen[name] || len(name) != 26 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Errorf("the name %s", name)
		}
		seen[name] = true
		spare := name[:25] + string(name[25]+1)
		for _, wrong := range []string{spare, name[1:], name + "a", "b" + name[1:], "../" + name[3:], strings.Repeat("a", 26), ""} {
			if o, ok := s.Owner(wrong); ok && wrong != name {
				t.Errorf("%q is the name of %+v", wrong, o)
			}
		}
	}
}
