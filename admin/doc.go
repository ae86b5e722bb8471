// Package admin is the administration of a running server over HTTP: REST
// under /v1, its OpenAPI description, health checks and metrics.
//
// The same routes are served through two doors. [API.Local] is for the Unix
// socket in the data directory: who can open it is an administrator, and the
// kernel says who that is. [API.Remote] is for HTTPS: everything but the
// description of the API needs a bearer token. [API.Probe] serves health and
// metrics only, to anybody.
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
