// Package agent is a small SIP user agent for load and tests: it registers,
// sends messages, calls and answers over UDP, TCP and TLS.
//
// It is written on the standard library alone and shares no code with the
// server, so that a misunderstanding in one is not repeated in the other. It
// is not a general user agent: it believes what a correct server sends and
// keeps every header as text.
package agent
