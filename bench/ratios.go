package main

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"
)

// plotRatios draws a point for each comparison, on a logarithmic axis. It returns nil
// if there are no comparisons.
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
	t := newTile("Eventus, of the limit (blue) and of the best peer (orange)", "ratio (more is better), median and quartiles; a short bar is the goal", names)
	t.X.Scale, t.X.Tick.Marker = plot.LogScale{}, doublings{}
	ticks := math.Exp2(math.Ceil(math.Log2(high)))
	t.X.Min, t.X.Max = math.Exp2(math.Floor(math.Log2(low))), ticks*2 // behind the last tick stand the numbers
	t.Add(newLine(plotter.XY{X: 1, Y: -0.5}, plotter.XY{X: 1, Y: float64(len(points)) - 0.5}))
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
		t.whisker(p.ratio, y, c)
		t.Add(dot)
		text := fmt.Sprintf("%.2f", p.ratio.median)
		if p.goal > 0 {
			goal := newLine(plotter.XY{X: p.goal, Y: y - 0.35}, plotter.XY{X: p.goal, Y: y + 0.35})
			goal.Width = 1.5
			t.Add(goal)
			text += fmt.Sprintf(" (goal %v)", p.goal)
		}
		t.label(ticks, y, text)
	}
	return []tile{t}
}

// doublings are the ticks of a logarithmic axis.
type doublings struct{}

func (doublings) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for v := low; v < high; v *= 2 {
		label := fmt.Sprint(v)
		if v < 1 {
			label = fmt.Sprintf("1/%v", 1/v)
		}
		ticks = append(ticks, plot.Tick{Value: v, Label: label})
	}
	return ticks
}
