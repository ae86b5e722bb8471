package wire

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// Limits of what is accepted. They bound the memory one message can take.
const (
	MaxMessage = 65535 // bytes of a whole message
	MaxHead    = 32768 // bytes of start line and headers
	MaxHeaders = 256   // header lines
	MaxVias    = 70    // Via values
	MaxValue   = 8192  // bytes of one header value
)

// Error is a request that is refused before anybody looks at what it wants.
// Request holds what could be read of it, enough for NewResponse, or is nil
// when nobody can be answered.
type Error struct {
	Status  int
	Reason  string
	Request *sip.Request
}

func (e *Error) Error() string { panic("todo") }

// Parse reads one datagram: octets after Content-Length are ignored
// (RFC 3261 §18.3). The error is an *Error for a request that is owed an
// answer, any other error means that the datagram is to be dropped.
func Parse(b []byte) (sip.Message, error) { panic("todo") }

// Framer cuts a byte stream into messages (RFC 3261 §7.5). The zero value is
// ready. It keeps no buffer while no message is partly received.
type Framer struct{}

// Write adds bytes that were read from the stream. It does not keep b.
func (f *Framer) Write(b []byte) {}

// Next returns the next whole message, or nil, nil when more bytes are needed.
// An *Error with Fatal() false concerns this message only; every other error
// means that message boundaries are lost and the stream must be closed (after
// answering, when it is an *Error).
func (f *Framer) Next() (sip.Message, error) { panic("todo") }

// Pings tells how many double-CRLF keep-alives (RFC 5626 §3.5.1) came since
// the last call; each is owed a single CRLF.
func (f *Framer) Pings() int { panic("todo") }

// Partial tells whether a message has begun and not ended.
func (f *Framer) Partial() bool { panic("todo") }

// Fatal tells whether the stream that carried the message must be closed.
func (e *Error) Fatal() bool { panic("todo") }

// Via is one value of a Via header (RFC 3261 §20.42). Branch, Received and
// RPort are also in Params. RPort is -1 when absent and 0 when it has no value.
type Via struct {
	Transport string // upper case
	Host      string // without brackets
	Port      int    // 0 when absent
	Branch    string
	Received  string
	RPort     int
	Params    sip.HeaderParams
	SentBy    string // host[:port] lower case, as it keys transactions
}

// NameAddr is a value of From, To, Contact, Route …: display name, URI and
// header parameters. Quoted parameter values are unquoted, names lower case.
type NameAddr struct {
	Display string
	URI     sip.Uri
	Params  sip.HeaderParams
}

// Param returns the value of a header parameter, case-insensitively.
func (a NameAddr) Param(name string) (string, bool) { panic("todo") }

// Core is what every request or response is keyed and judged by.
type Core struct {
	Via         Via
	From, To    NameAddr
	FromTag     string
	ToTag       string
	CallID      string
	CSeq        uint32
	CSeqMethod  string
	MaxForwards int // 70 when the header is absent (RFC 2543 peers)
}

// Examine reads the core of a request and applies RFC 3261 §8.2 and §16.3 and
// the verdicts of RFC 4475 that need no knowledge of who is asked: 400, 413,
// 416, 483, 505, 400 for duplicates, 2^31 CSeq … The caller decides 420, 405, 501.
func Examine(req *sip.Request) (Core, *Error) { panic("todo") }

// ExamineResponse does the same for a response; an error means: drop it.
func ExamineResponse(res *sip.Response) (Core, error) { panic("todo") }

// Header returns the text of the first header of that name (canonical or any
// case; compact forms match), "" when there is none.
func Header(m sip.Message, name string) string { panic("todo") }

// Values returns every value of a list header in order, comma lists split
// outside quotes and angle brackets.
func Values(m sip.Message, name string) []string { panic("todo") }

// Has tells whether a token is among the values (Supported: path, outbound).
func Has(m sip.Message, name, token string) bool { panic("todo") }

// ParseNameAddr, ParseURI and ParseVia read single values leniently and safely.
func ParseNameAddr(s string) (NameAddr, error) { panic("todo") }
func ParseURI(s string) (sip.Uri, error)       { panic("todo") }
func ParseVia(s string) (Via, error)           { panic("todo") }

// URIParam returns a URI parameter, case-insensitively.
func URIParam(u *sip.Uri, name string) (string, bool) { panic("todo") }

// EqualURI compares as RFC 3261 §19.1.4 says.
func EqualURI(a, b *sip.Uri) bool { panic("todo") }

// AOR returns the canonical address-of-record of a SIP URI: user@host, user
// unescaped, host lower case, no port, no parameters (RFC 3261 §10.3 step 5).
func AOR(u *sip.Uri) string { panic("todo") }

// H makes a header. CR, LF and NUL in value are replaced by spaces.
func H(name, value string) sip.Header { panic("todo") }

// NewRequest makes a request with the given start line and headers (no
// Content-Length: Append writes it).
func NewRequest(method string, uri sip.Uri, body []byte, hs ...sip.Header) *sip.Request {
	panic("todo")
}

// NewResponse answers req (RFC 3261 §8.2.6): Via, From, To, Call-ID and CSeq
// copied as text, To gets a tag derived from the request (the same for a
// retransmission) when it has none and status > 100; Record-Route is copied to
// 101–299 of a request that makes a dialog. reason "" means the standard phrase.
func NewResponse(req *sip.Request, status int, reason string, hs ...sip.Header) *sip.Response {
	panic("todo")
}

// Append writes m to dst in wire form with exactly one Content-Length.
func Append(dst []byte, m sip.Message) []byte { panic("todo") }

// Edit says how a forwarded request differs from the one received
// (RFC 3261 §16.6).
type Edit struct {
	URI         *sip.Uri     // new Request-URI; nil keeps it
	Via         string       // our Via value, put on top; "" for none
	RecordRoute []string     // values put before others, first = topmost
	Routes      []string     // the whole new route set; nil keeps what is left
	KeepRoutes  bool         // true: leave Route as it is
	Drop        []string     // header names to leave out (all values)
	Add         []sip.Header // appended
	Body        []byte       // replaces the body when SetBody
	SetBody     bool
}

// Forward copies req with the edits and Max-Forwards decremented (70 when it
// had none). Nothing in the copy can be changed through the original.
func Forward(req *sip.Request, e Edit) *sip.Request { panic("todo") }

// ForwardResponse copies res without its topmost Via value (RFC 3261 §16.7
// step 3). nil when no Via is left.
func ForwardResponse(res *sip.Response) *sip.Response { panic("todo") }

// Stamp writes received and rport into the topmost Via (RFC 3261 §18.2.1,
// RFC 3581 §4) and returns the changed message.
func Stamp(req *sip.Request, remote netip.AddrPort) { panic("todo") }

// NewBranch, NewTag and NewCallID return fresh unguessable values.
func NewBranch() string { panic("todo") }
func NewTag() string    { panic("todo") }
func NewCallID() string { panic("todo") }
