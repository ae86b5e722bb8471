// Package sqldb keeps the store in an SQL database: SQLite in one directory.
//
// The directory holds main.db (everything), search.db (the full-text index,
// rebuilt when it is lost), master.key (the key of the sealed columns; keep a
// copy elsewhere) and lock (held while a process has the store open).
//
// # Writing
//
// One goroutine, the writer, owns the only connection that writes. Whatever
// waits for it, up to 128 operations, becomes one transaction; each operation
// is answered after the commit has reached the disk. Under load the cost of a
// commit is shared: commits begin at least Config.Gather apart. Without load
// nothing waits for company. A bounded queue stands before it: when it is full,
// callers get store.ErrUnavailable at once.
//
// Relaxed operations (delivery cursors and traces, bindings, last use of
// tokens) are merged in memory, the last one of a key wins, and ride in a
// durable batch or are written after a fifth of a second without waiting for
// the disk; call records, of which the next state mostly comes soon, after
// seven tenths of a second. What the store answers already counts those that
// still wait.
//
// An operation that breaks a rule fails alone. A full disk, a lock held by
// another process or an I/O error undoes the whole batch: everybody in it gets
// store.ErrUnavailable, or store.ErrUnknown when the disk failed during the
// commit itself. The writer then tries once a second whether it can write
// again, and Healthy tells.
//
// # Order
//
// A conversation of two has one sequence for each kind of message, a group one
// for all that is said in it. The row key
// of a message is conversation<<32|seq, so that a page of a conversation lies
// side by side. Its gid (milliseconds, node, counter) grows with time over all
// conversations, also when the clock steps back. The last seq of a
// conversation is not written for each message: it is known in memory, derived
// from the messages when the store opens, and saved now and then.
// Deduplication keys are treated alike: new ones are in memory and in the
// messages, and are written to their table in bulk.
//
// # Delivery
//
// There are no queue rows. What is pending for a device follows from its
// cursor in each conversation, from the mark below which nothing is owed to it
// (device_start), and from what the conversations hold. A device that has
// everything is answered from memory. The traces of messages that a device took
// one after the other within a moment are one row (delivery_span).
//
// A message to a group is one row, whatever the size of the group, and touches
// no row of a member. A user sees the conversation of a group through windows
// (group_window) that open when he comes and close when he goes; the ends of all
// groups are in memory. What a device is owed from before its mark, because it is
// new or its user came into a group with a past, is a row in device_replay until
// it has been delivered.
//
// # Lists
//
// A user's list of conversations follows from the ends in memory, from the ends
// saved with him (conv_member), from his windows into groups, and from what he
// has decided (conv_state). Each message and each decision takes a number of the
// same growing sequence, so that what changed after one is found by index; no row
// of a user is written for a message, but for who is mentioned by name.
//
// # Calls
//
// A call is one row, begun when the call begins and completed as it goes on. By
// user and by Call-ID it is found through tables that are written in bulk, in
// the background; the newest calls and those in progress are looked through one
// by one. What steers calls (settings, classes, hunt groups, trunks) is kept as
// JSON beside its keys; the passwords of trunks are sealed.
//
// # Search
//
// Messages are indexed in the background, when the program is idle or the index
// falls behind: every character of a Chinese text and every pair of
// neighbours, and words of other scripts, as tokens of an FTS5 table. What is
// not indexed yet is scanned. FTS5 needs the build tag sqlite_fts5; without
// it, search scans a bounded number of messages and says so. For a user the index
// is narrowed to his own messages and his groups, what is not indexed is scanned
// conversation by conversation, and all that is found is compared with what he sees;
// two such searches run at a time, so that others who read do not wait for them.
package sqldb
