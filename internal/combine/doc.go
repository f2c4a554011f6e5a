// Package combine makes few large writes of many small appends. Appends that
// come while another write is under way are gathered, and the next write carries
// them all; one that comes alone is written at once.
//
// A stream has one write under way at a time. Appends to one stream that follow
// each other are one [Group], which the database checks and writes as a whole.
// Of many that expect the same version, the first decides: the others need not be
// sent to lose.
//
// A stream that somebody else is appending to holds up nobody: its appends are
// tried again after a pause, without a connection meanwhile.
package combine
