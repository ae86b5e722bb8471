package chat

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// IDHeader names the archived message in what devices get: the GID as the
// command line and the archive's rows write it ([store.GIDString]).
const IDHeader = "Sparkle-Id"

// ServeSIP takes a MESSAGE for one of our users.
func (s *Service) ServeSIP(r *server.Request) {
	s.receive(read(r))
}

// read takes from a request what is kept of it.
func read(r *server.Request) *submission {
	sub := &submission{
		answerer: r,
		uri:      r.Recipient,
		sender:   sip.Uri{Scheme: "sip", User: r.Sender.Username, Host: r.Sender.Domain},
		origin:   origin{r.Flow, wire.Header(r.Request, "User-Agent")},
		cseq:     r.CSeq,
		fromTag:  r.FromTag,
		start:    time.Now(),
	}
	sub.msg = &store.Message{NewMessage: store.NewMessage{
		From:        r.Sender.User,
		CallID:      r.CallID,
		ContentType: wire.Header(r.Request, "Content-Type"),
		Encoding:    wire.Header(r.Request, "Content-Encoding"),
		Headers:     keptHeaders(r.Request),
		Body:        r.Body(),
		TraceID:     r.TraceID,
		Source:      sub.origin.String(),
	}}
	return sub
}

// origin is where a message came from.
type origin struct {
	flow      *transport.Flow
	userAgent string
}

// String is the transport in lower case, the address and the program.
func (o origin) String() string {
	var room [128]byte
	b := room[:0]
	for _, c := range []byte(o.flow.Transport) {
		b = append(b, c|0x20)
	}
	b = o.flow.Remote.AppendTo(append(b, ' '))
	if o.userAgent != "" {
		b = append(append(b, ' '), o.userAgent...)
	}
	return string(b)
}

// deviceOf finds which of the sender's devices a message was sent from, so that
// it does not get its own message: the one registered over the same flow, or
// one of the same program at the same address (phones send from another port
// over UDP). 0 when it is none of them.
func (o origin) deviceOf(targets []registrar.Target) store.DeviceID {
	for i := range targets {
		if f := targets[i].Flow; f != nil && f.ID == o.flow.ID {
			return targets[i].Device.ID
		}
	}
	for i := range targets {
		t := &targets[i]
		if t.Flow != nil && t.Flow.Remote.Addr() == o.flow.Remote.Addr() && t.Device.UserAgent == o.userAgent {
			return t.Device.ID
		}
	}
	return 0
}

// keptHeaders are the lines that mean something to the recipient.
func keptHeaders(req *sip.Request) string {
	var b strings.Builder
	for _, name := range [...]string{
		"Subject", "Priority", "Expires", "Reply-To", "In-Reply-To",
		"Content-Disposition", "Content-Language", "X-fs-message-type",
	} {
		if v := wire.Header(req, name); v != "" {
			b.WriteString(name)
			b.WriteString(": ")
			b.WriteString(v)
			b.WriteString("\r\n")
		}
	}
	return b.String()
}

// outgoing builds the MESSAGE for one device. own marks a copy of what the user
// sent from elsewhere: it comes from the other person, so that it lands in the
// conversation with him, and asserts nothing.
func (s *Service) outgoing(it *item, how *rendering, t *registrar.Target, own bool) *sip.Request {
	if how.room != nil {
		return s.outOfRoom(it, how, t)
	}
	from, to, callID := it.from, it.to, it.msg.CallID
	if own {
		from, to, callID = it.to, it.from, s.copyCallID(it.msg.GID)
	}
	hs := wire.NewHeaders(16, 384)
	s.addVia(hs, t.Flow)
	hs.Add("Max-Forwards", "70")
	hs.Add("From", displayOf(from), "<sip:", wire.EscapeUser(from.Username), "@", from.Domain, ">;tag=", wire.NewTag())
	hs.Add("To", "<sip:", wire.EscapeUser(to.Username), "@", to.Domain, ">")
	hs.Add("Call-ID", callID)
	hs.Add("CSeq", "1 MESSAGE")
	for _, p := range t.Path { // RFC 3327 §5.3
		hs.Add("Route", p)
	}
	if !own { // RFC 3325 §9.1
		hs.Add("P-Asserted-Identity", "<sip:", wire.EscapeUser(from.Username), "@", from.Domain, ">")
	}
	hs.Add("Date", it.msg.At.UTC().Format(sipDate))
	if it.msg.GID != 0 {
		hs.Add(IDHeader, store.GIDString(it.msg.GID))
	}
	addKept(hs, it.msg.Headers, how)
	hs.Add("Content-Type", how.contentType)
	if how.encoding != "" {
		hs.Add("Content-Encoding", how.encoding)
	}
	return wire.NewRequest("MESSAGE", t.Contact, how.body, hs.List()...)
}

// addKept adds the headers kept with a message, but those in except. What
// described the original body does not describe another one.
func addKept(hs *wire.Headers, lines string, how *rendering, except ...string) {
	for line := range strings.SplitSeq(lines, "\r\n") {
		name, value, ok := strings.Cut(line, ": ")
		if ok && (how.original() || !strings.HasPrefix(name, "Content-")) && !slices.Contains(except, name) {
			hs.Add(name, value)
		}
	}
}

// sipDate is the form of Date (RFC 3261 §20.17).
const sipDate = "Mon, 02 Jan 2006 15:04:05 GMT"

// addVia adds our Via on a flow (RFC 3261 §18.1.1, RFC 3581 §3).
func (s *Service) addVia(hs *wire.Headers, f *transport.Flow) {
	rport := ""
	if f.Transport == transport.UDP {
		rport = ";rport"
	}
	host, port := s.cfg.Flows.Local(f)
	hs.Add("Via", "SIP/2.0/", f.Transport, " ", net.JoinHostPort(host, strconv.Itoa(port)), rport, ";branch=", wire.NewBranch())
}

// displayOf is what stands before the URI of a user who has a name.
func displayOf(u *store.User) string {
	if u.DisplayName == "" {
		return ""
	}
	return wire.QuoteString(u.DisplayName) + " "
}

// copyPrefix begins the Call-ID of a copy for the sender's other devices.
// Linphone's receipt for a bare MESSAGE names its Call-ID, so a receipt for a
// copy is known by it.
const copyPrefix = "copy-"

func (s *Service) copyCallID(gid int64) string {
	return copyPrefix + store.GIDString(gid) + "@" + s.cfg.Domain
}

// answerCopy tells whether receipts are for copies: they must not reach the other
// person, who never sent those messages.
func (s *Service) answerCopy(rs []receipt) bool {
	for _, r := range rs {
		if !strings.HasPrefix(r.MessageID, copyPrefix) || !strings.HasSuffix(r.MessageID, "@"+s.cfg.Domain) {
			return false
		}
	}
	return len(rs) > 0
}

// writtenBy tells whether the From of a CPIM, which may be absent, names the user:
// devices show it as the author, so it is worth as much as the From of the
// request (RFC 3862 §5.2). Of several they may show any.
func writtenBy(c *cpim, u *store.User) bool {
	for _, f := range c.headers {
		if strings.EqualFold(f.name, "From") && !names(unescapeCPIM(f.value), u) {
			return false
		}
	}
	return true
}

// names tells whether an address is one of the user's.
func names(address string, u *store.User) bool {
	address = strings.Replace(address, "<im:", "<sip:", 1) // RFC 3860 §3: the same user at the same domain
	addr, err := wire.ParseNameAddr(address)
	if err != nil {
		return false
	}
	name, host, _ := strings.Cut(wire.AOR(&addr.URI), "@")
	return host == u.Domain && (strings.EqualFold(name, u.Username) || slices.Contains(u.Numbers, name))
}

// newMessageID makes an unguessable identifier.
func newMessageID() string { return wire.NewCallID() }

// acceptOf reads the Accept header of a refusal.
func acceptOf(res *sip.Response) []string {
	if res == nil {
		return nil
	}
	return wire.Values(res, "Accept")
}

// ignore is told what became of a message that nobody waits for.
func ignore(*transaction.Client, *sip.Response, error) {}
