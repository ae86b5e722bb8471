package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"

	"github.com/sparkleim/sparkle/store"
	"golang.org/x/image/draw"
)

// Size is the length of a side in pixels.
type Size int

const (
	Small Size = 96
	Large Size = 512
)

// quality of JPEGs: nobody sees the difference to more.
const quality = 85

// coarse is the side, in pixels, from which on a picture is scaled in two steps:
// the exact filter keeps all lines of what it reads in memory.
const coarse = 2048

// redraw makes the large picture of an upload: the middle square, upright, on
// white.
func redraw(data []byte) (*image.RGBA, error) {
	u, err := examine(data)
	if err != nil {
		return nil, err
	}
	src, err := u.decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: the picture is damaged: %v", store.ErrInvalid, err)
	}
	from := middle(src.Bounds())
	if from.Empty() {
		return nil, fmt.Errorf("%w: the picture is empty", store.ErrInvalid)
	}
	if from.Dx() > coarse {
		rough := canvas(coarse, color.White)
		draw.ApproxBiLinear.Scale(rough, rough.Bounds(), src, from, draw.Over, nil)
		src, from = rough, rough.Bounds()
	}
	large := canvas(int(Large), color.White)
	draw.CatmullRom.Scale(large, large.Bounds(), src, from, draw.Over, nil)
	return turn(large, u.orientation), nil
}

// middle is the largest square in the middle of a rectangle.
func middle(r image.Rectangle) image.Rectangle {
	side := min(r.Dx(), r.Dy())
	corner := r.Min.Add(image.Pt((r.Dx()-side)/2, (r.Dy()-side)/2))
	return image.Rectangle{corner, corner.Add(image.Pt(side, side))}
}

// canvas is a square of one colour.
func canvas(side int, c color.Color) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.Draw(m, m.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
	return m
}

// turn makes a square upright that was stored in an orientation of EXIF: where
// its first row and column are to be seen.
func turn(m *image.RGBA, orientation int) *image.RGBA {
	if orientation == 1 {
		return m
	}
	side := m.Bounds().Dx()
	last := side - 1
	out := image.NewRGBA(m.Bounds())
	for y := range side {
		for x := range side {
			fromX, fromY := x, y
			switch orientation {
			case 2:
				fromX = last - x
			case 3:
				fromX, fromY = last-x, last-y
			case 4:
				fromY = last - y
			case 5:
				fromX, fromY = y, x
			case 6:
				fromX, fromY = y, last-x
			case 7:
				fromX, fromY = last-y, last-x
			case 8:
				fromX, fromY = last-y, x
			}
			out.SetRGBA(x, y, m.RGBAAt(fromX, fromY))
		}
	}
	return out
}

// shrink makes the small picture of a large one.
func shrink(large image.Image) *image.RGBA {
	small := image.NewRGBA(image.Rect(0, 0, int(Small), int(Small)))
	draw.CatmullRom.Scale(small, small.Bounds(), large, large.Bounds(), draw.Src, nil)
	return small
}

func encode(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}
