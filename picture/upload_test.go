package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// The colours of the corners of a test picture.
var (
	red    = color.RGBA{255, 0, 0, 255}
	green  = color.RGBA{0, 255, 0, 255}
	blue   = color.RGBA{0, 0, 255, 255}
	yellow = color.RGBA{255, 255, 0, 255}
)

// quarters is a picture whose corners differ: red green above blue yellow.
func quarters(width, height int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := red
			switch {
			case x >= width/2 && y >= height/2:
				c = yellow
			case x >= width/2:
				c = green
			case y >= height/2:
				c = blue
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

// seen tells the colours of the corners of a picture, as letters.
func seen(m image.Image) string {
	var b strings.Builder
	side := m.Bounds().Dx()
	for _, p := range []image.Point{{side / 4, side / 4}, {3 * side / 4, side / 4}, {side / 4, 3 * side / 4}, {3 * side / 4, 3 * side / 4}} {
		r, g, bl, _ := m.At(p.X, p.Y).RGBA()
		high := func(v uint32) bool { return v > 0x8000 }
		switch {
		case high(r) && high(g) && high(bl):
			b.WriteByte('w')
		case high(r) && high(g):
			b.WriteByte('y')
		case high(r):
			b.WriteByte('r')
		case high(g):
			b.WriteByte('g')
		case high(bl):
			b.WriteByte('b')
		default:
			b.WriteByte('-')
		}
	}
	return b.String()
}

func asJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withExif puts an Exif segment with an orientation, and a place, into a JPEG.
func withExif(jpg []byte, order binary.AppendByteOrder, orientation uint16) []byte {
	tiff := []byte("MM\x00*\x00\x00\x00\x08")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		tiff = []byte("II*\x00\x08\x00\x00\x00")
	}
	entry := func(tag, kind uint16, value uint16) {
		tiff = order.AppendUint16(tiff, tag)
		tiff = order.AppendUint16(tiff, kind)
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, value)
		tiff = append(tiff, 0, 0)
	}
	tiff = order.AppendUint16(tiff, 2)
	entry(0x0100, 3, 64)
	entry(0x0112, 3, orientation)
	tiff = append(tiff, "\x00\x00\x00\x00GPS 52.5N 13.4E"...)
	segment := append([]byte("\xff\xe1\x00\x00Exif\x00\x00"), tiff...)
	binary.BigEndian.PutUint16(segment[2:], uint16(len(segment)-2))
	return bytes.Join([][]byte{jpg[:2], segment, jpg[2:]}, nil)
}

// TestUpright: the camera's orientation is honoured, and gone afterwards, with all
// else that it has noted.
func TestUpright(t *testing.T) {
	picture := asJPEG(t, quarters(64, 64))
	// EXIF 2.32 §4.6.4: what row 0 and column 0 are.
	for orientation, want := range []string{"rgby", "rgby", "gryb", "ybgr", "byrg", "rbgy", "brYg", "ygbr", "gyrb"} {
		want = strings.ToLower(want)
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			data := withExif(picture, order, uint16(orientation))
			if !bytes.Contains(data, []byte("GPS")) {
				t.Fatal("the test picture tells no place")
			}
			m, err := redraw(data)
			if err != nil {
				t.Fatal(err)
			}
			if got := seen(m); got != want {
				t.Errorf("orientation %d, %v: %s, want %s", orientation, order, got, want)
			}
			if out, err := encode(m); err != nil || bytes.Contains(out, []byte("GPS")) || bytes.Contains(out, []byte("Exif")) {
				t.Errorf("orientation %d: the place is told: %v", orientation, err)
			}
		}
	}
}

// TestMiddleSquare: of a wide picture the sides go, of a high one top and bottom.
func TestMiddleSquare(t *testing.T) {
	for _, size := range []image.Point{{300, 100}, {100, 300}, {2200, 2100}, {20, 20}} {
		m, err := redraw(asPNG(t, quarters(size.X, size.Y)))
		if err != nil {
			t.Fatal(err)
		}
		if m.Bounds() != image.Rect(0, 0, 512, 512) || seen(m) != "rgby" {
			t.Errorf("%v: %v, %s", size, m.Bounds(), seen(m))
		}
	}
}

func TestFormats(t *testing.T) {
	var animated bytes.Buffer
	frame := image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{red, blue})
	if err := gif.EncodeAll(&animated, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{1, 1}}); err != nil {
		t.Fatal(err)
	}
	clear := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"JPEG", asJPEG(t, quarters(80, 80)), "rgby"},
		{"PNG", asPNG(t, quarters(80, 80)), "rgby"},
		{"transparent PNG", asPNG(t, clear), "wwww"},
		{"animated GIF", animated.Bytes(), "rrrr"},
		{"WebP", whiteWebP(), "wwww"},
	}
	for _, test := range tests {
		m, err := redraw(test.data)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := seen(m); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// whiteWebP is one white pixel, lossless: a header, no transform, no cache, and
// prefix codes of one symbol each.
func whiteWebP() []byte {
	var b bits
	b.put(0x2f, 8)
	b.put(0, 14) // width - 1
	b.put(0, 14)
	b.put(0, 1+3)                                            // no alpha, version 0
	b.put(0, 1)                                              // no transform
	b.put(0, 1)                                              // no colour cache
	b.put(0, 1)                                              // no meta prefix codes
	for _, symbol := range []uint32{255, 255, 255, 255, 0} { // green, red, blue, alpha, distance
		b.put(1, 1) // simple
		b.put(0, 1) // one symbol
		b.put(1, 1) // of 8 bits
		b.put(symbol, 8)
	}
	payload := b.bytes()
	chunk := binary.LittleEndian.AppendUint32([]byte("WEBPVP8L"), uint32(len(payload)))
	chunk = append(chunk, payload...)
	if len(payload)%2 == 1 {
		chunk = append(chunk, 0)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(chunk))), chunk...)
}

// bits is written from the least significant bit on.
type bits struct {
	out []byte
	n   int
}

func (b *bits) put(v uint32, width int) {
	for i := range width {
		if b.n%8 == 0 {
			b.out = append(b.out, 0)
		}
		b.out[b.n/8] |= byte(v>>i&1) << (b.n % 8)
		b.n++
	}
}

func (b *bits) bytes() []byte { return b.out }

// pngClaiming is a PNG whose header claims a size.
func pngClaiming(width, height uint32, depth, colour byte) []byte {
	header := binary.BigEndian.AppendUint32([]byte("IHDR"), width)
	header = binary.BigEndian.AppendUint32(header, height)
	header = append(header, depth, colour, 0, 0, 0)
	out := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), 13)
	out = append(out, header...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(header))
}

// jpegClaiming is a JPEG of a size; 0xc2 begins a progressive one.
func jpegClaiming(t *testing.T, width, height uint16, frame byte) []byte {
	out := asJPEG(t, quarters(16, 16))
	at := bytes.Index(out, []byte{0xff, 0xc0})
	out[at+1] = frame
	binary.BigEndian.PutUint16(out[at+5:], height)
	binary.BigEndian.PutUint16(out[at+7:], width)
	return out
}

func gifClaiming(width, height uint16) []byte {
	out := binary.LittleEndian.AppendUint16([]byte("GIF89a"), width)
	out = binary.LittleEndian.AppendUint16(out, height)
	return append(out, 0, 0, 0, 0x2c)
}

// jpegOfScans is a progressive JPEG that goes over its pixels again and again: each
// time costs 38 bytes, and 8 ms.
func jpegOfScans(t *testing.T, scans int) []byte {
	t.Helper()
	scan := append([]byte{0xff, 0xda, 0, 8, 1, 1, 0, 1, 63, 0}, make([]byte, 28)...)
	return append(jpegClaiming(t, 4000, 3000, 0xc2), bytes.Repeat(scan, scans-1)...) // it has one of its own
}

// TestBombs: what would take more than its bytes promise is refused by its header.
func TestBombs(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want string // of the refusal, "" for none
	}{
		{"PNG of 40 megapixels", pngClaiming(8000, 5000, 8, 6), ""},
		{"PNG of a little more", pngClaiming(8000, 5001, 8, 6), "8000×5001 pixels are too many: 40 million at most"},
		{"PNG of two billion square", pngClaiming(1<<31-1, 1<<31-1, 8, 6), "no picture"},
		{"PNG of a million square", pngClaiming(1e6, 1e6, 1, 0), "too many"},
		{"PNG of 40 megapixels with 16 bit", pngClaiming(8000, 5000, 16, 6), "of this format are too many"},
		{"PNG of nothing", pngClaiming(0, 5, 8, 6), "no picture"},
		{"JPEG of 40 megapixels", jpegClaiming(t, 8000, 5000, 0xc0), ""},
		{"JPEG of four billion", jpegClaiming(t, 65535, 65535, 0xc0), "too many"},
		{"progressive JPEG of 40 megapixels", jpegClaiming(t, 8000, 5000, 0xc2), "of this format are too many"},
		{"progressive JPEG of 12 megapixels", jpegClaiming(t, 4000, 3000, 0xc2), ""},
		{"JPEG of as many scans as are allowed", jpegOfScans(t, maxScans), ""},
		{"JPEG of many scans", jpegOfScans(t, maxScans+1), "too many passes"},
		{"JPEG of no height", jpegClaiming(t, 10, 0, 0xc0), "empty"},
		{"GIF of four billion", gifClaiming(65535, 65535), "too many"},
		{"more than 5 MB", append(asJPEG(t, quarters(16, 16)), make([]byte, MaxBytes)...), "5 MB at most"},
		{"SVG", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "no picture"},
		{"BMP", []byte("BM123456789012345678901234567890"), "no picture"},
		{"nothing", nil, "no picture"},
	}
	for _, test := range tests {
		_, err := examine(test.data)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (!errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := redraw(jpegClaiming(t, 60, 60, 0xc2)); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a damaged picture: %v", err)
	}
}

// FuzzUpload: whatever passes the header check is decoded to what was announced,
// or refused as damaged.
func FuzzUpload(f *testing.F) {
	f.Add(withExif(asJPEG(f, quarters(16, 8)), binary.BigEndian, 6))
	f.Add(asPNG(f, quarters(8, 8)))
	f.Add(whiteWebP())
	f.Add(gifClaiming(9, 9))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := examine(data)
		if err != nil {
			if !errors.Is(err, store.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if u.orientation < 1 || u.orientation > 8 || u.memory <= 0 {
			t.Fatalf("%+v", u)
		}
		if u.width*u.height > 1<<16 {
			return // it would only cost time here
		}
		m, err := u.decode(bytes.NewReader(data))
		if err == nil && (m.Bounds().Dx() > u.width || m.Bounds().Dy() > u.height) {
			t.Fatalf("%v of %d×%d", m.Bounds(), u.width, u.height)
		}
	})
}
