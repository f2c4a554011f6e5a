package consume

import "time"

// LastTurn returns when Run last began to look at the consumer's rows. Run looks
// every second, and after failures of the database at least every five seconds
// once the database has answered. A process whose Run has not looked for much
// longer hangs and should be restarted. LastTurn is zero before Run, and asks
// nobody.
func (f *Follower[Tx]) LastTurn() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.turned
}

func (f *Follower[Tx]) turn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turned = time.Now()
}
