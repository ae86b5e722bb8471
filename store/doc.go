// Package store is the vocabulary of what Sparkle keeps: the records, and the
// small interfaces over them that each service takes. It imports nothing but
// the standard library; store/sqldb implements it, store/storetest is the suite
// that an implementation must pass.
//
// Every operation is one transaction on one user or one conversation. Two
// classes of durability: Durable operations return after the commit has reached
// the disk, Relaxed ones (bindings, delivery cursors) may lose the last moments
// in a power cut, never in a crash of the process, and their loss leads at most
// to something being sent again.
package store
