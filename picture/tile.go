package picture

import (
	"crypto/sha256"
	"encoding/binary"
	"image"
	"image/color"
	"math"

	"golang.org/x/image/draw"
)

// tileCells is how many cells a tile has in a row. The left half is mirrored.
const tileCells = 5

// tile draws the picture of who has none: a pattern of his own in a colour of his
// own. There are no letters: that would need a font for every script.
func tile(seed int64, side int) *image.RGBA {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("tile"), uint64(seed)))
	hue := float64(binary.BigEndian.Uint16(sum[:])) / (1 << 16)
	m := canvas(side, hsl(hue, 0.45, 0.88))
	dark := image.NewUniform(hsl(hue, 0.5, 0.48))
	bits := binary.BigEndian.Uint32(sum[2:])
	border := side / 8
	at := func(cell int) int { return border + cell*(side-2*border)/tileCells }
	for row := range tileCells {
		for column := range tileCells {
			mirrored := min(column, tileCells-1-column)
			if bits>>(row*3+mirrored)&1 == 1 {
				cell := image.Rect(at(column), at(row), at(column+1), at(row+1))
				draw.Draw(m, cell, dark, image.Point{}, draw.Src)
			}
		}
	}
	return m
}

// hsl is a colour by hue, saturation and lightness, each from 0 to 1.
func hsl(hue, saturation, lightness float64) color.RGBA {
	reach := saturation * min(lightness, 1-lightness)
	channel := func(n float64) uint8 {
		k := math.Mod(n+hue*12, 12)
		return uint8(math.Round(255 * (lightness - reach*max(-1, min(k-3, 9-k, 1)))))
	}
	return color.RGBA{channel(0), channel(8), channel(4), 255}
}
