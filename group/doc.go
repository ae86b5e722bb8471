// Package group owns the groups of the organisation: who is in them, with what
// rights, and what becomes of them. It knows neither SIP nor HTTP: the focus
// (sip/focus), chat, text commands and the administration all come here.
//
// # Reading
//
// [Service.Find] and [Service.ByID] give a [Snapshot]: a group with its members at
// one version, which never changes. Everything that happens to a message or a
// request is decided on one snapshot. Reading takes no lock and asks no store.
//
// # Changing
//
// [Service.Change] takes an actor and what he wants ([Rename], [Add], [Remove],
// [SetRole], [Mute] …), checks his rights against the table in rights.go, commits,
// and then tells the observers, in the order of the versions. A group's changes
// are made one after the other; different groups do not wait for each other. A
// change that changes nothing is no error and takes no version. Several changes
// given together are done together or not at all.
//
// What a change makes of a group is worked out by a pure function (plan in
// draft.go): a snapshot and the changes give the next record, the events, and
// from these the notices, which are archived in the same commit. When the stored
// group turns out to be another one (store.ErrConflict), it is read again, the
// observers are told what they missed, and the change is planned anew.
//
// Who is muted is so until the time that was set, or somebody lets him write: to
// leave and come back ends it no sooner.
//
// A refusal is a [Denied] with words for the user. To who is not in a group it
// does not exist: store.ErrNotFound.
//
// # Owners
//
// A group has one owner while it has members; only a fixed group may have none.
// An owner who leaves is followed by the eldest administrator, else by the eldest
// member; when nobody is left the group is dissolved. Its address is never used
// again. A room of two has no ranks, and ends when one of them leaves it.
//
// # Fixed groups
//
// A fixed group has the members that its unit has (tree.go): [Service.Follow]
// is called after each change of the tree and commits the difference. Nobody can
// add to it or leave it by hand; hidden people are not joined. While it is called
// like its unit it is renamed with it. When the unit goes, the group is dissolved
// or becomes a manual one, as it was told.
//
// # Bounds
//
// Members a group (Config.MaxMembers), groups that a user has made
// (Config.MaxGroups), 64 characters for names, 2,000 for announcements, 20 pinned
// messages, 500 people that come or go in one commit when a unit changes. How
// often members address everybody is counted in memory: a restart forgets it.
package group
