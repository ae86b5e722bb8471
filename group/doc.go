// Package group owns the groups of the organisation: who is in them, with what
// rights, and what becomes of them. It knows neither SIP nor HTTP: the focus
// (sip/focus), chat, text commands and the administration all come here.
//
// # Reading
//
// [Service.Find] and [Service.ByID] give a [Snapshot]: a group with its members at
// one version, which never changes. Everything that happens to a message or a
// request is decided on one snapshot.
//
// # Changing
//
// [Service.Change] takes an actor and what he wants ([Rename], [Add], [Remove],
// [SetRole], [Mute] …), checks his rights against the table in rights.go, commits,
// and then tells the observers, in the order of the versions. A group's changes
// are made one after the other; different groups do not wait for each other. A
// change that changes nothing is no error and takes no version.
//
// The last owner who leaves hands the group to the eldest administrator, else to
// the eldest member; when nobody is left the group is dissolved. Its address is
// never used again.
//
// # Fixed groups
//
// A fixed group has the members that its unit has (follow.go): [Service.Follow]
// is called after each change of the tree and commits the difference. Nobody can
// add to it or leave it; hidden people are not joined. When the unit goes, the
// group is dissolved or becomes a manual one, as it was told.
//
// # Bounds
//
// Members a group (Config.MaxMembers), groups a user may make and be in, members
// a change adds at once, the length of names and announcements, pinned messages.
package group
