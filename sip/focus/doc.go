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
// its next REGISTER otherwise. Nothing else is kept, so a restart loses nothing.
// A device that refuses the room is text-only for this group until it registers
// anew. [Service.Joined] tells chat whether a device is in the room yet: messages
// wait for that.
//
// Dialogs are kept by their tags alone: Contact and routes of both sides are what
// they are today, the focus's URI and the flow of the device.
//
// # Quirks
//
// To of what goes to a device is its GRUU, or the room is not found. INVITE and
// SUBSCRIBE are record-routed by our own listener, or the client asks DNS. Roles
// are admin and participant. Versions only grow. A client that lost its dialog
// opens another one by INVITE without a list before it renames or leaves.
//
// # Bounds
//
// Entries of a list, inflated size of a body, INVITEs under way at once, XML
// depth. A REFER to itself, to another group or outside is refused.
package focus
