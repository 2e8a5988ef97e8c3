// Package webtest has services that test what HTTP makes of methods: of each kind, with
// fields of each kind, and the examples that google/api/http.proto gives.
package webtest
