package picture

import "image"

// maxFaces is how many faces a mosaic has.
const maxFaces = 9

// layout is where the faces of a mosaic are: one alone, two to four two in a row,
// more three in a row. A row that is not full is the first one, and centred, as
// the whole is.
func layout(faces, side int) []image.Rectangle {
	columns := 3
	switch {
	case faces == 1:
		columns = 1
	case faces <= 4:
		columns = 2
	}
	gap := side / 32
	cell := (side - (columns+1)*gap) / columns
	rows := (faces + columns - 1) / columns
	step := cell + gap
	top := (side - rows*step + gap) / 2
	var cells []image.Rectangle
	for row := range rows {
		inRow := columns
		if row == 0 {
			inRow = faces - (rows-1)*columns
		}
		left := (side - inRow*step + gap) / 2
		for column := range inRow {
			corner := image.Pt(left+column*step, top+row*step)
			cells = append(cells, image.Rectangle{corner, corner.Add(image.Pt(cell, cell))})
		}
	}
	return cells
}
