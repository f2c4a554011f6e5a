package power

import (
	"math/rand/v2"
	"time"
)

// pause lets others run: up to 200 ms.
func pause() { time.Sleep(rand.N(200 * time.Millisecond)) }
