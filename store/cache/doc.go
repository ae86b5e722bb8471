// Package cache answers from memory what the store said before, and asks the
// store in the background for the rest, so that a goroutine that must not block
// (one that reads a flow) never waits for a database.
//
//   - What was not found is remembered too, for a shorter time.
//   - Questions for one key that come while it is being loaded share the next
//     load and are answered in the order in which they were asked; nobody who
//     asks later is answered before them, and nobody gets an answer that is
//     older than his question.
//   - Entries, loads at a time and keys waiting to be loaded are bounded.
//   - An entry tells when its load began, so that who knows of a later change
//     can ask again. There is no other way to make the cache forget.
//
// [UserSet] saves the search for who is not there.
package cache
