package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// report has the results of a run.
type report struct {
	facts   []fact
	results []result
}

// print writes facts, comparisons and values as Markdown.
func (r report) print(w io.Writer) {
	for _, f := range r.facts {
		fmt.Fprintf(w, "- %s: %s\n", f.name, f.value)
	}
	fmt.Fprintf(w, "\n| figure | of | ratio | quartiles | goal |\n| --- | --- | --- | --- | --- |\n")
	for _, res := range r.results {
		if res.err != nil {
			fmt.Fprintf(w, "| %s | | failed: %v | | |\n", res.name, res.err)
		}
		for _, c := range res.comparisons {
			fmt.Fprintf(w, "| %s | %s | %.2f | %.2f to %.2f | %s |\n", res.title, c.to.name, c.ratio.median, c.ratio.low, c.ratio.high, verdict(c.ratio.median, c.goal))
		}
		if res.goal > 0 {
			v := res.ours().value
			fmt.Fprintf(w, "| %s | %s | %s | %s to %s | %s |\n", res.title, res.unit, count(v.median), count(v.low), count(v.high), verdict(v.median, res.goal))
		}
	}
	fmt.Fprintf(w, "\n| figure | contender | value | quartiles | unit | does less |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, res := range r.results {
		for _, row := range res.rows {
			v := row.value
			fmt.Fprintf(w, "| %s | %s | %s | %s to %s | %s | %s |\n", res.name, row.name, count(v.median), count(v.low), count(v.high), res.unit, row.note)
		}
	}
}

func verdict(got, goal float64) string {
	switch {
	case goal == 0:
		return ""
	case got < goal:
		return count(goal) + ", missed"
	}
	return count(goal) + ", met"
}

// count formats a number with three significant digits and with commas.
func count[N int | float64](n N) string {
	text := strconv.FormatFloat(float64(n), 'g', 3, 64)
	rounded, err := strconv.ParseFloat(text, 64)
	if err != nil || rounded < 100 {
		return text
	}
	digits := strconv.FormatFloat(rounded, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// write makes figures.md, figures.csv and the plots in dir.
func (r report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var markdown, table bytes.Buffer
	markdown.WriteString("# Figures\n\nWritten by `make figures`; [performance.md](../performance.md) says what they mean.\n\n")
	r.print(&markdown)
	if err := os.WriteFile(filepath.Join(dir, "figures.md"), markdown.Bytes(), 0o644); err != nil {
		return err
	}
	if err := r.writeCSV(&table); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "figures.csv"), table.Bytes(), 0o644); err != nil {
		return err
	}
	return r.plot(dir)
}

// writeCSV writes the facts as comments and a line for each contender. The ratio
// stands in the line of the contender that Eventus is compared with.
func (r report) writeCSV(w io.Writer) error {
	for _, f := range r.facts {
		fmt.Fprintf(w, "# %s: %s\n", f.name, f.value)
	}
	lines := [][]string{strings.Split("figure,contender,role,unit,q1,median,q3,ratio_q1,ratio_median,ratio_q3,goal,error", ",")}
	for _, res := range r.results {
		if res.err != nil {
			lines = append(lines, []string{res.name, "", "", res.unit, "", "", "", "", "", "", "", res.err.Error()})
		}
		for _, row := range res.rows {
			line := append([]string{res.name, row.name, string(row.role), res.unit}, row.value.texts()...)
			ratio := []string{"", "", "", ""}
			for _, c := range res.comparisons {
				if c.to.name == row.name {
					ratio = append(c.ratio.texts(), fmt.Sprint(c.goal))
				}
			}
			lines = append(lines, append(append(line, ratio...), ""))
		}
	}
	return csv.NewWriter(w).WriteAll(lines)
}

func (q quartiles) texts() []string {
	texts := make([]string, 3)
	for i, v := range []float64{q.low, q.median, q.high} {
		texts[i] = strconv.FormatFloat(v, 'g', 5, 64)
	}
	return texts
}
