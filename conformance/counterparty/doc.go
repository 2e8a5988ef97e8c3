// Package counterparty proves that our proxy and our suite work with software that nobody here
// has written: user functions of the first Go library, go-support, and of the first Node
// library, cloudstate, each in a process of its own.
//
// Their package managers fetch them. A test that cannot have them is skipped, and says what it
// has tried and what came of it. The README of conformance has what works, and what the two
// libraries violate.
package counterparty
