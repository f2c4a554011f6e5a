// Package combine makes few large writes of many small appends. An append that
// comes alone is written at once. Appends that come while others are written are
// gathered until half of all wait, or no write is under way; the next write carries
// those that wait.
//
// A stream has one write under way at a time. Appends to one stream that follow
// each other are one [Group], which the database checks and writes as a whole.
// Of many that expect the same version, the first decides: the others need not be
// sent to lose.
//
// A stream that somebody else is appending to holds up nobody: its appends are
// tried again after a pause, without a connection meanwhile.
package combine
