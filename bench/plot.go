package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	plotWidth = 22 * vg.Centimeter
	rowHeight = 0.75 * vg.Centimeter
	margins   = 2.6 * vg.Centimeter // of a plot: its title, its axis and their labels

	gap           = 0.25 * vg.Centimeter
	captionHeight = 6 * gap
)

var colors = map[role]color.Color{
	ours:  color.RGBA{R: 0x1b, G: 0x6e, B: 0xc2, A: 0xff},
	limit: color.RGBA{R: 0x8a, G: 0x8f, B: 0x98, A: 0xff},
	peer:  color.RGBA{R: 0xe0, G: 0x8e, B: 0x2b, A: 0xff},
}

// plot writes ratios.svg with all comparisons, and one file with the values of each
// subject.
func (r report) plot(dir string) error {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	plotter.DefaultFont = plot.DefaultFont
	if ratios := r.plotRatios(); ratios != nil {
		if err := save(filepath.Join(dir, "ratios.svg"), r.caption(), ratios); err != nil {
			return err
		}
	}
	var subjects []string
	plots := make(map[string][]tile)
	for _, res := range r.results {
		if res.err != nil {
			continue
		}
		subject, _, _ := strings.Cut(res.name, "/")
		if plots[subject] == nil {
			subjects = append(subjects, subject)
		}
		plots[subject] = append(plots[subject], res.plot())
	}
	for _, subject := range subjects {
		if err := save(filepath.Join(dir, subject+".svg"), r.caption(), plots[subject]); err != nil {
			return err
		}
	}
	return nil
}

// tile is a plot with a number of rows.
type tile struct {
	*plot.Plot
	rows int
}

func (t tile) height() vg.Length { return margins + vg.Length(t.rows)*rowHeight }

func newTile(title, axis string, labels []string) tile {
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font.Size = 13
	p.Title.Padding = 6
	p.X.Label.Text = axis
	p.X.Label.TextStyle.Font.Size = 10
	p.X.Padding, p.Y.Padding = 4, 4
	p.X.Min = 0
	p.X.Tick.Marker = counts{}
	p.NominalY(labels...)
	p.Y.Min, p.Y.Max = -0.6, float64(len(labels))-0.4
	grid := plotter.NewGrid()
	grid.Horizontal.Width = 0
	grid.Vertical.Color = color.Gray{Y: 0xdd}
	p.Add(grid)
	return tile{p, len(labels)}
}

// plot has a bar for each contender.
func (r result) plot() tile {
	rows := slices.Clone(r.rows)
	slices.Reverse(rows) // the first is on top
	names := make([]string, len(rows))
	for i, row := range rows {
		if names[i] = row.name; row.role == limit {
			names[i] += " (limit)"
		}
	}
	better := "more is better"
	if r.latency {
		better = "less is better"
	}
	t := newTile(r.title, fmt.Sprintf("%s (%s), median and quartiles", r.unit, better), names)
	for i, row := range rows {
		bar, err := plotter.NewBarChart(plotter.Values{row.value.median}, rowHeight*0.6)
		if err != nil {
			panic(err) // only for values that are no numbers
		}
		bar.Horizontal, bar.XMin, bar.Color, bar.LineStyle.Width = true, float64(i), colors[row.role], 0
		t.Add(bar)
		t.whisker(row.value, float64(i), color.Black)
		t.label(row.value.high, float64(i), count(row.value.median))
		t.X.Max = max(t.X.Max, row.value.high*1.12) // room for the label
	}
	return t
}

// whisker draws a line from the lower to the upper quartile.
func (t tile) whisker(q quartiles, y float64, c color.Color) {
	line := newLine(plotter.XY{X: q.low, Y: y}, plotter.XY{X: q.high, Y: y})
	line.Color = c
	t.Add(line)
}

// label draws text to the right of a point.
func (t tile) label(x, y float64, text string) {
	label, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: x, Y: y}}, Labels: []string{text}})
	if err != nil {
		panic(err) // only for coordinates that are no numbers
	}
	label.Offset = vg.Point{X: 5}
	label.TextStyle[0].YAlign = draw.YCenter
	label.TextStyle[0].Font.Size = 10
	t.Add(label)
}

func newLine(from, to plotter.XY) *plotter.Line {
	line, err := plotter.NewLine(plotter.XYs{from, to})
	if err != nil {
		panic(err)
	}
	return line
}

// counts formats the ticks of an axis as the table formats its numbers.
type counts struct{ plot.DefaultTicks }

func (c counts) Ticks(low, high float64) []plot.Tick {
	ticks := c.DefaultTicks.Ticks(low, high)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = count(ticks[i].Value)
		}
	}
	return ticks
}

// fonts is Liberation Sans, with which the text was measured, and its substitutes.
const fonts = "Liberation Sans,Arial,Helvetica,sans-serif"

// save draws tiles one below the other, and a caption.
func save(path, caption string, tiles []tile) error {
	height := captionHeight
	for _, t := range tiles {
		height += t.height()
	}
	canvas := vgsvg.New(plotWidth, height)
	area := draw.New(canvas)
	area.FillPolygon(color.White, []vg.Point{area.Min, {X: area.Max.X}, area.Max, {Y: area.Max.Y}})
	style := tiles[0].X.Tick.Label
	style.XAlign, style.YAlign, style.Font.Size = draw.XLeft, draw.YBottom, 8
	area.FillText(style, vg.Point{X: gap, Y: gap}, caption)

	column := make([][]*plot.Plot, len(tiles))
	for i, t := range tiles {
		column[i] = []*plot.Plot{t.Plot}
	}
	// Align gives all plots the same left edge, but also the same height.
	aligned := plot.Align(column, draw.Tiles{Rows: len(tiles), Cols: 1, PadLeft: gap, PadRight: gap}, area)
	top := area.Max.Y
	for i, t := range tiles {
		part := aligned[i][0]
		part.Min.Y, part.Max.Y = top-t.height()+gap, top-gap/2
		top -= t.height()
		t.Draw(part)
	}
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return err
	}
	text := strings.ReplaceAll(svg.String(), "Liberation Sans", fonts)
	return os.WriteFile(path, []byte(text), 0o644)
}
