// Package focus is the SIP side of groups: one URI that is a conference focus
// (RFC 4579) without media.
//
// Clients that know rooms (Linphone, by +org.linphone.specs groupchat) make groups
// by INVITE to the factory with a list (RFC 5366), are invited with each of their
// devices, watch the members by the conference event package (RFC 4575, package
// sip/event), and change them by REFER; they rename by re-INVITE and leave by BYE.
// What they want goes to package group, which judges and commits; the focus tells
// everybody else. All other clients need nothing of this: they write to the URI.
//
// # A device and a room
//
// A device that can is in the room of each group of its user. What is owed is the
// difference between the members (package group) and the devices in rooms
// (store.RoomDevice): an INVITE or a BYE, at once where the device is there, at
// its next REGISTER otherwise ([Service.Reachable]). Nothing else is kept, so a
// restart loses nothing. A device is told one thing at a time, and its messages
// wait for the end of that; [Service.Standing] tells chat which it gets in the
// room. One that refuses a room, or fails three times to answer, is text-only for
// this group until it registers anew, by another flow.
//
// Dialogs are kept by their tags alone: Contact and routes of both sides are what
// they are today, the focus's URI and the flow of the device. A client that was
// started again knows none of them and answers a BYE with 481: it is invited once
// more, to be told BYE.
//
// # Changes
//
// The store may keep a request waiting, so those of one user are served one after
// the other, beside those of others, and never on the goroutine of a flow. The
// answer follows the commit. A group tells the focus of its changes
// ([Service.Changed]) before that; what follows from them for devices is put into
// a line, which one goroutine empties as fast as devices answer.
//
// Subscribers are told what has changed since the version that they know, in one
// document of a higher version; of the last ten changes that is in memory, and who
// knows less gets the whole. A document is written once for all who get the same.
//
// # Quirks
//
// To of what goes to a device is its GRUU, or the room is not found. INVITE and
// SUBSCRIBE are record-routed by our own listener, also the INVITEs that we send, or
// the client asks DNS. Roles are admin and participant, and there are no endpoints:
// clients do without. A client that lost its dialog opens another one by INVITE
// without a list before it renames or leaves. A BYE from the device in its dialog
// is not challenged ([Service.Knows]): Linphone forgets the dialog by the 401.
//
// # Bounds
//
// Entries of a list (those of a group), inflated size and depth of a body,
// requests of users that wait, requests to devices under way, 2xx to be repeated.
// A REFER to itself, to another group or outside is refused. The rooms of
// users who are removed or disabled, and of devices that are revoked, end with that
// ([Service.Forget]).
package focus
