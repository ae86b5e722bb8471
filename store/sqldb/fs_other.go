//go:build !linux

package sqldb

// checkFileSystem has nothing to ask here; the journal mode is asserted later.
func checkFileSystem(string) error { return nil }
