//go:build !linux

package main

// joinWakeups needs Linux.
func joinWakeups() {}
