// Package storetest is the suite that every store must pass, and a store that
// fails on demand for the tests of those who use one.
package storetest
