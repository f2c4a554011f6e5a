package eventustest

import (
	"strings"
	"time"
)

// texts are what strings are tried with, a line at a time. Code that reads
// numbers, dates or addresses out of a text finds some here.
var texts = append([][]string{
	{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"},
	{"1", "2", "3", "4", "5", "6"},
	{"1.50", "2.75", "3.25"},
	{"EUR", "USD", "GBP"},
	{"true", "false"},
	{"2001-02-03", "2004-05-06", "2007-08-09"},
	{"2001-02-03T04:05:06Z", "2006-07-08T09:10:11Z"},
	{"00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"},
	{"192.0.2.1", "192.0.2.2"},
	{"2001:db8::1", "2001:db8::2"},
	{"192.0.2.0/24", "198.51.100.0/24"},
	{"https://example.com/a?b=c", "https://example.org/d?e=f"},
	{"a@example.com", "b@example.org"},
	{"1m30s", "2h0m0s"},
	{"100000", "-1", "0", "1000000"},
}, append(dates(), states()...)...)

// layouts are the ways in which dates and times are often written.
var layouts = []string{
	time.DateTime, "2006-01-02T15:04:05", "2006-01-02T15:04:05.000Z07:00", "2006/01/02", "20060102", "02.01.2006", "2.1.2006",
	"02.01.2006 15:04", "02/01/2006", "02-01-2006", "2006-01", "2006", "15:04:05", "15:04", time.Kitchen, "Jan 2, 2006",
	"January 2, 2006", "2 January 2006", "2 Jan 2006", time.RFC1123, time.RFC1123Z, time.RFC822, time.RFC822Z, time.RFC850,
	time.ANSIC, time.UnixDate, time.RubyDate,
}

// dates writes two times in each layout. Their days are months as well, for
// those who put the month first.
func dates() [][]string {
	var lines [][]string
	for _, layout := range layouts {
		var line []string
		for _, at := range []time.Time{time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC), time.Date(2006, 7, 8, 9, 10, 11, 0, time.UTC)} {
			line = append(line, at.Format(layout))
		}
		lines = append(lines, line)
	}
	return lines
}

// states returns words that old forms are in the habit of writing into a status,
// in the three ways to write them.
func states() [][]string {
	var lines [][]string
	for _, line := range []string{
		"active inactive", "enabled disabled", "open closed", "yes no", "y n", "on off", "new draft pending", "paid unpaid",
		"approved rejected", "confirmed cancelled canceled", "started stopped", "shipped delivered", "done completed", "published archived deleted",
		"admin user guest", "high medium low", "ok error failed", "default none null",
	} {
		words := strings.Fields(line)
		titles := make([]string, len(words))
		for i, word := range words {
			titles[i] = strings.ToUpper(word[:1]) + word[1:]
		}
		lines = append(lines, words, titles, strings.Fields(strings.ToUpper(line)))
	}
	return lines
}

// textsOf returns all of texts, or the first of each line.
func textsOf(all bool) []string {
	var some []string
	for _, line := range texts {
		if !all {
			line = line[:1]
		}
		some = append(some, line...)
	}
	return some
}
