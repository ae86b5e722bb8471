package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/sparkleim/sparkle/store"
	"golang.org/x/image/webp"
)

// Bounds of uploads.
const (
	MaxBytes  = 5 << 20
	maxPixels = 40_000_000
	// maxMemory bounds what the decoder takes, in bytes: 40 megapixels of 8 bit
	// with transparency are 160 MB, progressive JPEGs need fifteen bytes a pixel.
	maxMemory = 320 << 20
	// maxScans bounds how often a progressive JPEG goes over all its pixels: cameras
	// and programs make a dozen, some bytes are enough for one more.
	maxScans = 100
)

// upload is what the header of a picture says.
type upload struct {
	decode        func(io.Reader) (image.Image, error)
	width, height int
	memory        int64 // that decoding takes, in bytes
	orientation   int   // as in EXIF: 1 upright … 8
}

// examine reads the header of a picture, and refuses what is none or costs too
// much. The errors are store.ErrInvalid.
func examine(data []byte) (upload, error) {
	if len(data) > MaxBytes {
		return upload{}, fmt.Errorf("%w: a picture has %d MB at most", store.ErrInvalid, MaxBytes>>20)
	}
	u, err := readHeader(data)
	switch {
	case err != nil:
		return u, fmt.Errorf("%w: this is no picture in PNG, JPEG, GIF or WebP: %v", store.ErrInvalid, err)
	case u.width <= 0 || u.height <= 0:
		return u, fmt.Errorf("%w: the picture is empty", store.ErrInvalid)
	case int64(u.width)*int64(u.height) > maxPixels:
		return u, fmt.Errorf("%w: %d×%d pixels are too many: %d million at most", store.ErrInvalid, u.width, u.height, maxPixels/1_000_000)
	case u.memory > maxMemory:
		return u, fmt.Errorf("%w: %d×%d pixels of this format are too many: make the picture smaller", store.ErrInvalid, u.width, u.height)
	}
	return u, nil
}

// readHeader knows a picture by its first bytes, whatever it was called.
func readHeader(data []byte) (u upload, err error) {
	u.orientation = 1
	var c image.Config
	perPixel := int64(4)
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		c, err = png.DecodeConfig(bytes.NewReader(data))
		u.decode = png.Decode
		perPixel = 2 * pngPixel(c.ColorModel) // interlaced, it is taken together from parts
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		c, err = jpeg.DecodeConfig(bytes.NewReader(data))
		u.decode = jpeg.Decode
		var progressive bool
		if u.orientation, progressive = walkJPEG(data); progressive {
			perPixel = 4 + 3*4 // and all coefficients
		}
		if err == nil && bytes.Count(data, []byte("\xff\xda")) > maxScans { // among the pixels a zero follows each 0xff
			err = errors.New("too many passes over its pixels")
		}
	case bytes.HasPrefix(data, []byte("GIF8")):
		c, err = gif.DecodeConfig(bytes.NewReader(data))
		u.decode = gif.Decode
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		c, err = webp.DecodeConfig(bytes.NewReader(data))
		u.decode = webp.Decode
		perPixel = 8
	default:
		return u, errors.New("unknown format")
	}
	u.width, u.height = c.Width, c.Height
	u.memory = int64(c.Width) * int64(c.Height) * perPixel
	return u, err
}

// pngPixel is how many bytes a pixel of a PNG takes.
func pngPixel(m color.Model) int64 {
	switch m {
	case color.RGBA64Model, color.NRGBA64Model:
		return 8
	case color.RGBAModel, color.NRGBAModel:
		return 4
	case color.Gray16Model:
		return 2
	}
	return 1 // grey or a palette
}

// walkJPEG looks through the segments before the pixels for the orientation and
// for whether they come progressively.
func walkJPEG(data []byte) (orientation int, progressive bool) {
	orientation = 1
	for at := 2; at+4 <= len(data) && data[at] == 0xff; {
		marker, size := data[at+1], int(binary.BigEndian.Uint16(data[at+2:]))
		switch {
		case marker == 0xff: // a fill byte
			at++
			continue
		case marker == 0xda || size < 2 || at+2+size > len(data): // pixels begin, or nothing makes sense
			return orientation, progressive
		case marker == 0xe1:
			orientation = readOrientation(data[at+4 : at+2+size])
		case marker == 0xc2:
			progressive = true
		}
		at += 2 + size
	}
	return orientation, progressive
}

// readOrientation finds the tag Orientation in the first directory of an Exif
// segment; 1 when there is none that makes sense.
func readOrientation(segment []byte) int {
	tiff, is := bytes.CutPrefix(segment, []byte("Exif\x00\x00"))
	if !is || len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
	default:
		return 1
	}
	const entrySize, tagOrientation, typeShort = 12, 0x0112, 3
	directory := uint64(order.Uint32(tiff[4:]))
	if directory+2 > uint64(len(tiff)) {
		return 1
	}
	entries := tiff[directory+2:]
	for range order.Uint16(tiff[directory:]) {
		if len(entries) < entrySize {
			return 1
		}
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			if v := order.Uint16(entries[8:]); 1 <= v && v <= 8 {
				return int(v)
			}
		}
		entries = entries[entrySize:]
	}
	return 1
}
