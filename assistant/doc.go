// Package assistant answers text commands: what people do with groups and with
// their lists of conversations when the client in their hands has no screen for
// it, or cannot do more than send text.
//
//	/members                      who is in this group
//	/mute 1001 30m                1001 may not write here for half an hour
//	/免打扰 研发群 2小时          said to the assistant itself: the group comes first
//	/禁言 #研发群 1001 1天        the same from another group
//
// A command begins with a slash, of whatever width, or with 、, which is what
// Chinese keyboards put on the same key. Each command has English and Chinese
// names; who writes Chinese is answered in Chinese, who writes English in the
// language of the server.
//
// # Who, where, what
//
// Groups are named by their name, address, or the user part of it; people by
// username, number, name or nickname in the group. Names may have spaces; quotes
// keep them together where that is doubtful. A name that several have is never
// guessed: the answer tells how to say it. A group that one is not in does not
// exist.
//
// [Service.Do] changes nothing itself: it asks [group.Service], which knows the
// rights, and the lists of conversations. Refusals of groups are passed on in
// their words; what went wrong inside is logged and never told.
//
// # Bounds
//
// Answers fit on a phone: 50 members, 30 groups, 20 unread conversations, 50
// messages of which 120 characters are shown. Of a question 4 KiB are read, and 50
// people are taken at once.
package assistant
