// Package chat accepts, archives, delivers and confirms messages.
//
// The server is the user agent for MESSAGE (RFC 3428 §7): it checks, commits to
// the archive, answers 202, and only then delivers, to every device of the
// recipient and to the sender's other devices. What was answered 202 is in the
// archive and will reach every device that registers before the message
// expires, in the order of its conversation, at least once; a repetition
// carries the same Call-ID (and Message-ID), so clients drop it.
//
// Each device has its own queue with one message under way: 200 from the device
// moves its cursor, a permanent refusal (4xx that says "never") is recorded and
// passed over, everything else waits for the next REGISTER or a retry. Nothing
// is kept in memory for a device that is away: its cursor in the archive is its
// queue.
//
// The archive keeps the original bytes. A device gets what it can show: a
// Linphone the original, a text phone a text/plain rendering ([Render]).
// is-composing passes to devices that are there and is never stored.
//
// Standards: RFC 3428, RFC 3862 (CPIM), RFC 5438 (IMDN), RFC 3994.
package chat
