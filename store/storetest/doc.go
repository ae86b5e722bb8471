// Package storetest is the suite that every store must pass.
package storetest
