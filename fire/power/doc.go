// Package power cuts the power under the stores and the broker, by package powercut,
// and looks for what they had acknowledged. Its tests are the whole of it; docs/fire.md
// has their results.
package power
