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
//     one builds it: [Forward], [NewResponse], [NewRequest].
//   - No CR, LF or NUL ever gets into a header, whoever asks for it.
//   - Sizes and counts are bounded before memory is spent.
//   - A request that can be answered is answered: an [Error] carries the status
//     (400, 413, 416, 420, 483, 505 …) and what could be read of the request.
//
// Standards: RFC 3261 §7, §18.3, §20, §25; RFC 4475 and RFC 5118 as the tests.
package wire
