// Package wire turns bytes into checked SIP messages and back.
//
// A message is a sipgo [sip.Request] or [sip.Response] whose headers are kept
// as the text that arrived (one generic header a line, folding undone), so
// that what is forwarded is what was received. Everything that needs structure
// asks for it: [Examine] parses the fields that every request must have into a
// [Core], [Values] splits lists, [ParseNameAddr] and [ParseURI] read single
// values. sipgo's typed accessors (req.From() …) must not be used outside this
// package: several of them misread legal input (see sip/RFC.md), and a typed
// value is not what is written out.
//
// The rules of the package:
//
//   - A message is never changed once it has been handed on. Who needs another
//     one builds it: [Forward], [NewResponse], [NewRequest]. Only [Stamp] changes
//     a request, directly behind parsing.
//   - No CR, LF or NUL ever gets into a header, whoever asks for it. A NUL that
//     was received as a quoted-pair stays one.
//   - Sizes and counts are bounded before memory is spent.
//   - A request that can be answered is answered: an [Error] carries the status
//     (400, 413, 416, 505, 513) and what could be read of the request.
//   - There is no Content-Length header in a message: its body has a length, and
//     [Append] writes it.
//   - Methods keep their case (RFC 3261 §7.1: "message" is not MESSAGE), header
//     names of the standards are spelt canonically, compact forms expanded.
//   - Hosts are without brackets, also those of IPv6 addresses: [AppendURI] puts
//     them back.
//
// All strings of a received message are parts of one text. What outlives the
// message by long (a binding, a dialog) should be a strings.Clone, so that it
// does not hold the whole.
//
// Standards: RFC 3261 §7, §8, §16.6, §18, §19, §20, §25; RFC 3581; RFC 3966;
// RFC 4475 and RFC 5118 as the tests.
package wire
