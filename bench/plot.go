package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
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
)

var colors = map[role]color.Color{
	ours:  color.RGBA{R: 0x1b, G: 0x6e, B: 0xc2, A: 0xff},
	limit: color.RGBA{R: 0x8a, G: 0x8f, B: 0x98, A: 0xff},
	peer:  color.RGBA{R: 0xe0, G: 0x8e, B: 0x2b, A: 0xff},
}

// plot makes ratios.svg of all comparisons, and a file of the values for each
// subject.
func (r report) plot(dir string) error {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	if ratios := r.plotRatios(); ratios != nil {
		if err := save(filepath.Join(dir, "ratios.svg"), ratios); err != nil {
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
		if err := save(filepath.Join(dir, subject+".svg"), plots[subject]); err != nil {
			return err
		}
	}
	return nil
}

// tile is a plot of a number of rows.
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
	p.X.Padding, p.Y.Padding = 4, 4
	p.X.Min = 0
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
		names[i] = row.name
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
		t.mark(row.value, float64(i), color.Black, count(row.value.median))
		t.X.Max = max(t.X.Max, row.value.high*1.12) // room for the label
	}
	return t
}

// mark draws the quartiles at a height, and a text behind them.
func (t tile) mark(q quartiles, y float64, c color.Color, text string) {
	whisker, err := plotter.NewLine(plotter.XYs{{X: q.low, Y: y}, {X: q.high, Y: y}})
	if err != nil {
		panic(err)
	}
	whisker.Color, whisker.Width = c, 1
	label, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: q.high, Y: y}}, Labels: []string{text}})
	if err != nil {
		panic(err)
	}
	label.Offset = vg.Point{X: 5}
	label.TextStyle[0].YAlign = draw.YCenter
	label.TextStyle[0].Font.Size = 10
	t.Add(whisker, label)
}

// plotRatios has a point for each comparison, on an axis in which twice as much
// and half as much are equally far from 1. It returns nil when there is none.
func (r report) plotRatios() []tile {
	type point struct {
		comparison
		name string
	}
	var points []point
	for _, res := range r.results {
		for _, c := range res.comparisons {
			points = append(points, point{c, fmt.Sprintf("%s, of %s", res.name, c.to.name)})
		}
	}
	if len(points) == 0 {
		return nil
	}
	slices.Reverse(points)
	names := make([]string, len(points))
	low, high := 0.5, 2.0
	for i, p := range points {
		names[i] = p.name
		low, high = min(low, p.ratio.low), max(high, p.ratio.high, p.goal)
	}
	t := newTile("Eventus to the limit (blue) and to the best peer (orange)", "ratio, more is better; median and quartiles; a bar is the goal", names)
	t.X.Scale, t.X.Tick.Marker = plot.LogScale{}, doublings{}
	t.X.Min, t.X.Max = math.Exp2(math.Floor(math.Log2(low))), math.Exp2(math.Ceil(math.Log2(high*1.15)))
	t.Add(vertical(1, -0.5, float64(len(points))-0.5, 1))
	for i, p := range points {
		y, c := float64(i), colors[ours]
		if p.to.role == peer {
			c = colors[peer]
		}
		dot, err := plotter.NewScatter(plotter.XYs{{X: p.ratio.median, Y: y}})
		if err != nil {
			panic(err)
		}
		dot.GlyphStyle = draw.GlyphStyle{Color: c, Radius: 4, Shape: draw.CircleGlyph{}}
		t.mark(p.ratio, y, c, fmt.Sprintf("%.2f", p.ratio.median))
		t.Add(dot)
		if p.goal > 0 {
			t.Add(vertical(p.goal, y-0.35, y+0.35, 1.5))
		}
	}
	return []tile{t}
}

func vertical(x, from, to float64, width vg.Length) *plotter.Line {
	line, err := plotter.NewLine(plotter.XYs{{X: x, Y: from}, {X: x, Y: to}})
	if err != nil {
		panic(err)
	}
	line.Width = width
	return line
}

// doublings are the ticks of a logarithmic axis.
type doublings struct{}

func (doublings) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for v := low; v <= high*1.001; v *= 2 {
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprint(v)})
	}
	return ticks
}

// save draws tiles one below the other.
func save(path string, tiles []tile) error {
	height := vg.Length(0)
	for _, t := range tiles {
		height += t.height()
	}
	canvas := vgsvg.New(plotWidth, height)
	area := draw.New(canvas)
	column := make([][]*plot.Plot, len(tiles))
	for i, t := range tiles {
		column[i] = []*plot.Plot{t.Plot}
	}
	// Align makes the axes begin at one place; the heights are our own.
	left := plot.Align(column, draw.Tiles{Rows: len(tiles), Cols: 1}, area)
	top := area.Max.Y
	for i, t := range tiles {
		part := left[i][0]
		part.Min.Y, part.Max.Y = top-t.height()+8, top-4
		top -= t.height()
		t.Draw(part)
	}
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return err
	}
	return os.WriteFile(path, svg.Bytes(), 0o644)
}
