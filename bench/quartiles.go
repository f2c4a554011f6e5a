package main

import (
	"math"
	"slices"
)

// quartiles are the lower quartile, the median and the upper quartile of a
// sample.
type quartiles struct{ low, median, high float64 }

func quartilesOf(sample []float64) quartiles {
	sorted := slices.Sorted(slices.Values(sample))
	at := func(q float64) float64 { // between two values, in proportion
		whole, part := math.Modf(q * float64(len(sorted)-1))
		i := int(whole)
		return sorted[i] + part*(sorted[min(i+1, len(sorted)-1)]-sorted[i])
	}
	return quartiles{at(0.25), at(0.5), at(0.75)}
}
