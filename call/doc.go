// Package call is the calls of the organisation. Every INVITE outside of dialogs
// is its own: it decides who is rung (devices, forwards, do-not-disturb, hunt
// groups, carriers), lets the proxy fork, and watches what becomes of it.
//
// For each call it owns one media session: the session description of every
// branch is rewritten for the relay, the caller sees one answer, and packets flow
// when somebody has answered. SRTP is required on users' legs unless the
// administrator allows otherwise. Phones differ in what they take (manner.go): one
// that refuses an offer is asked again in another manner while the others ring,
// and its habit is remembered (retry.go tells how a second INVITE gets by). A
// device whose answer cannot be used is hung up on, and the call goes on without
// it. Of two devices that answer at once the caller keeps one, and the call is with
// that (rival.go). Which message carries an offer and which an answer is decided by
// a pure machine for each dialog (exchange.go, RFC 6337).
//
// While a call lives it is listed and can be ended by an administrator, by
// silence of its media, or by its session timer (RFC 4028). Each call, and
// each attempt, leaves one record: who, what was dialled, what was tried, how it
// ended, and how it sounded.
//
// Where a call goes is decided by a pure machine (route.go) that knows what users
// and administrators have set ([Service.SetSettings], [Service.SetHuntGroup]):
// forwards, do-not-disturb, redirections of phones, groups that ring at once or one
// after the other. A call is diverted five times at most, and tries no address
// twice. It leaves to a carrier at somebody's cost only: of the caller, or of the
// user or group that diverts it; his lock, class of service and limits decide
// (pay.go). What is denied is counted and logged.
//
// Calls that the server places itself ([Service.Dial]) are two dialogs of an
// agent of ours, joined, with one record and one session of media (click.go).
//
// What it does not do: ringback tones for whoever clicked, auto-answer, groups of
// groups, and forwards of a member while his group rings him.
package call
