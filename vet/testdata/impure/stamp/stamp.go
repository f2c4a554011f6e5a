// Package stamp has functions for the events of another package.
package stamp

import "time"

func Now() int64 { return clock().Unix() } // want Now:`impure: reads the clock \(time.Now\)`

func clock() time.Time { return time.Now() } // want clock:`impure: reads the clock \(time.Now\)`

func Of(t time.Time) int64 { return t.Unix() }

var Zone = "UTC"

const Unit = time.Second
