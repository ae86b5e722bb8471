// Package chat accepts, archives, delivers and confirms messages.
//
// The server is the user agent for MESSAGE (RFC 3428 §7): it checks, commits to
// the archive, answers 202, and only then delivers, to every device of the
// recipient and to the sender's other devices. What was answered 202 is in the
// archive and will reach every device that registers before the message
// expires, in the order of its conversation, at least once; a repetition
// carries the same Call-ID (and Message-ID), so clients drop it. What comes
// twice from its sender is stored once, and answered as it was the first time, even
// if he may no longer write where he did.
//
// # A device's queue
//
// Each device has its own queue with one message under way: 200 from the device
// moves its cursor, a permanent refusal (4xx that says "never") is recorded and
// passed over, everything else waits for the next REGISTER or a retry after 30
// seconds to 10 minutes. Nothing is kept in memory for a device that is away:
// its cursor in the archive is its queue. A message that a device answers by
// 5xx or by closing its connection ten times in a row is passed over too; it
// would keep all others away for ever.
//
// A message that was just committed goes to an idle device straight from
// memory. A device that was away, or has fallen behind by 256 messages or 256
// KiB, is served from the archive in pages, by a few workers.
//
// # Forms
//
// The archive keeps the original bytes. A device gets what it can show: a
// Linphone the original, a text phone a text/plain rendering, whoever refuses a
// type with 415 from then on what its Accept lists. A text phone cannot confirm
// what it shows; when a CPIM message asks for a delivery notification (RFC
// 5438) it is confirmed in its place. Receipts go only to devices that show
// them. What a device has displayed its user has read: his position in the
// conversation moves (store.Conversations).
//
// The sender's other devices get a text that comes from his partner and begins
// with "我: ", because no softphone files a message from oneself with the
// partner. A receipt for such a copy ends here.
//
// is-composing passes to devices that are there and is never stored. It is
// answered 200, not 202. Whatever a person wrote is archived, Expires: 0 or not:
// a sender may say how long it is worth delivering, not that it was never said.
//
// # Groups
//
// A group is an address that its members write to; to everybody else it does not
// exist. What a member says is one row in the archive, in the conversation of the
// group. After the commit it goes to all devices of all members.
//
// Messages and changes of a group are told by different parts of the program.
// [sequence] brings them into the order of the conversation, in which seq is
// dense, before anybody is given anything: nobody gets what was written after he
// left, and who has come gets what is before it first. Whenever a place in the
// conversation is in doubt (after a restart, a commit that nobody knows the
// outcome of, a group that is written in faster than it is read), the devices of
// all members look into the archive, which knows what each may see. One worker at
// a time gives the messages of a group, a few for all groups together, so that
// neither a sender nor the archive waits for thousands of members.
//
// Who has left, or was removed, is still owed what was written while he was a member,
// up to the notice of his going: his phone may have been away. It comes under the
// subject that the group had when he left, and under the writers' own names, since a
// nickname may be newer. Receipts go to writers who are members still.
//
// A device that is in the room of the group (package focus) gets CPIM: the bytes
// of the sender, or what was written without CPIM, wrapped in it. It comes from
// the group to the device's GRUU. All others get text that begins with the name of
// the writer, from the group under its name. What is the same for all devices of a
// kind is made once for each message ([Service.shape]). While a device is on its
// way into the room the head of its queue waits.
//
// Notices are for those who see no list of members. Receipts are for devices in
// rooms: in groups of up to Config.Receipts members they are kept, each between its
// sender and the writer; in larger ones they only move the position up to which a
// member has read. A receipt that did not come in CPIM goes nowhere else. A message
// whose CPIM To is another member is private: it is between the two. A text that is
// a command is not said in the group, but goes to the assistant, who answers.
//
// # Bounds
//
// Bodies (Config.MaxBody) and what they inflate to (1 MiB, and 200 times), the
// heads of CPIM, XML documents, multipart parts, the backlog of a device, what
// waits in a group for its turn, commands and searches for receipts. A message over
// 1300 bytes goes to a UDP device all the same (against RFC 3428 §8, for want of
// another way to it) and relies on fragments.
//
// Standards: RFC 3428, RFC 3862 (CPIM), RFC 3994 (is-composing), RFC 5438
// (IMDN), GSMA RCC.07 (file transfer).
package chat
