// Package cache answers from memory what the store said before, and asks the
// store in the background for the rest, so that a goroutine that must not block
// (one that reads a flow) never waits for a database.
//
//   - What was not found is remembered too, for a shorter time.
//   - Questions for one key that come while it is being loaded share one load
//     and are answered in the order in which they were asked; nobody who asks
//     later is answered before them.
//   - Entries, loads at a time and keys waiting to be loaded are bounded.
//   - What was loaded while something was forgotten answers those who wait, but
//     is not remembered: it may be older than the change.
package cache
