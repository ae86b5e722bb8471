// Package admin is the administration of a running server over HTTP: REST
// under /v1, its OpenAPI description, health checks and metrics.
//
// The same routes are served through two doors. [API.Local] is for the Unix
// socket in the data directory: who can open it is an administrator, and the
// kernel says who that is. [API.Remote] is for HTTPS: everything but the
// description of the API needs a bearer token. [API.Probe] serves health and
// metrics only, to anybody.
//
// # What is a user's own
//
// A token that is bound to a user opens what is below /v1/me and nothing else,
// and nothing else opens that: his conversations, messages, stars, search and
// groups. What he may not see is answered as what does not exist. It works as long
// as he has an account that is not disabled.
//
// A device keeps rows of conversations and a cursor. GET /v1/me/sync gives it the
// rows that have changed since, however long that is ago; PATCH and PUT change them
// on all devices. It may wait for a change, or be told by a WebSocket
// (/v1/me/events) that there is one: hints carry no data, and one that is lost
// loses nothing. The cursor is signed for one user and one history of the database;
// with any other, after a restore for one, the device is told to begin anew.
//
// Bounds: 8 connections that wait for changes a user and 20,000 in all, a hint in
// 200 ms each; one that does not take a hint or answer a ping within 10 seconds is
// closed.
//
// A user makes as many requests a second as an address may over SIP
// (limits.requests_per_address), and one search, one upload of a picture and one
// list of readers at a time; what is above is refused with 429, and Retry-After
// tells when to come again. When the server is overloaded he sends nothing, by SIP
// or here.
//
// Promises:
//
//   - A change is made by the services ([Accounts] and others), never in the
//     store behind their backs; it is answered after its commit and after it
//     stands in the audit log with the name of who asked. The tree of units has no
//     service: after each change of it the groups are told to follow, and when
//     one cannot yet, the answer says so and the change stays.
//   - Who reads what others have written, in a group or between two, stands in the
//     audit log, too.
//   - Errors are problem details (RFC 9457) whose text says what to do; one
//     table (error.go) maps the sentinels of store.
//   - Lists are pages: {items, next}; next is the cursor of the next page.
//   - What has a version is replaced only by who has read that version.
//   - Passwords and tokens are shown once, in the answer to the request that
//     made them, and never logged; those of trunks are never shown.
//   - Bodies are bounded (1 MiB, pictures 5 MiB, imports 16 MiB) and streams have write deadlines.
package admin
