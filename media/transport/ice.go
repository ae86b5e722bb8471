package transport

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"github.com/pion/stun/v4"
)

// checksPerSecond bounds the checks that one peer can make us verify. A browser
// with many addresses sends some dozens in its first second, later one in two.
const checksPerSecond = 100

// ICE answers the connectivity checks of one peer, as the lite agent of RFC 8445
// §2.5: it checks nothing itself and leaves the choice to the peer. It belongs to
// one loop.
type ICE struct {
	ufrag, pwd string
	peer       string // its ice-ufrag, "": not known yet

	second int64 // that checks are counted in
	checks int
}

// NewICE makes fresh credentials. RFC 8445 §5.3: 24 bits of randomness at least
// for ufrag, 128 for pwd.
func NewICE() *ICE { return &ICE{ufrag: rand.Text()[:8], pwd: rand.Text()} }

// Local are our ice-ufrag and ice-pwd.
func (i *ICE) Local() (ufrag, pwd string) { return i.ufrag, i.pwd }

// SetRemote sets the peer's ice-ufrag; its password is for checks of ours, and
// there are none. Before it, checks of anybody who knows our credentials are the
// peer's (RFC 8445 §7.3: they may come before the answer).
func (i *ICE) SetRemote(ufrag string) { i.peer = ufrag }

// Check answers a STUN message that came to s, whose latch is l. taken: from is the
// address of this component now, since the peer chose it or is only there; alive:
// the peer proved that it wants our packets (RFC 7675 §5.1). Phones of RFC 5245
// prove it once and send indications afterwards, so its absence ends nothing.
//
// What is not proven by our password gets no answer at all: a forged source would
// get it. RFC 8489 §9.1.3 would answer 400 or 401.
func (i *ICE) Check(s *Socket, l *Latch, b []byte, from netip.AddrPort, at int64) (taken, alive bool) {
	request, ok := i.parse(b, l, from, at)
	if !ok {
		return false, false
	}
	if len(request.unknown) > 0 { // RFC 8489 §6.3.1
		i.reply(s, from, request, stun.BindingError, stun.CodeUnknownAttribute, request.unknown)
		return false, true
	}
	if request.controlled { // RFC 8445 §7.3.1.1: the full agent controls a lite one
		i.reply(s, from, request, stun.BindingError, stun.CodeRoleConflict)
		return false, true
	}
	i.reply(s, from, request, stun.BindingSuccess, &stun.XORMappedAddress{IP: from.Addr().Unmap().AsSlice(), Port: int(from.Port())})
	if request.nominates {
		return l.Nominate(from, request.priority, at), true
	}
	return l.Checked(from, at), true
}

// check is a request that proved to be the peer's.
type check struct {
	transaction [stun.TransactionIDSize]byte
	priority    uint32
	nominates   bool // USE-CANDIDATE
	controlled  bool // ICE-CONTROLLED: it takes us for the full agent
	unknown     stun.UnknownAttributes
}

// parse reads a check, false: it is none, or it is not the peer's.
func (i *ICE) parse(b []byte, l *Latch, from netip.AddrPort, at int64) (check, bool) {
	m := &stun.Message{Raw: b}
	if m.Decode() != nil || m.Type != stun.BindingRequest || !l.possible(clean(from)) {
		return check{}, false
	}
	if !i.isOurs(m) || !i.admits(at) || stun.NewShortTermIntegrity(i.pwd).Check(m) != nil {
		return check{}, false
	}
	if m.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(m) != nil { // RFC 8445 §7.1.2 wants one; some send none
		return check{}, false
	}
	return read(m), true
}

// isOurs tells whether the user name is ours and the peer's (RFC 8445 §7.2.2).
func (i *ICE) isOurs(m *stun.Message) bool {
	name, err := m.Get(stun.AttrUsername)
	if err != nil {
		return false
	}
	ours, theirs, found := strings.Cut(string(name), ":")
	return found && ours == i.ufrag && (i.peer == "" || theirs == i.peer)
}

// admits counts a check that costs a hash.
func (i *ICE) admits(at int64) bool {
	if second := at / int64(time.Second); second != i.second {
		i.second, i.checks = second, 0
	}
	i.checks++
	return i.checks <= checksPerSecond
}

// read takes from a request what its integrity covers: RFC 8489 §14.5, what comes
// after it is ignored.
func read(m *stun.Message) check {
	c := check{transaction: m.TransactionID}
	for _, a := range m.Attributes {
		switch a.Type {
		case stun.AttrMessageIntegrity:
			return c
		case stun.AttrPriority:
			if len(a.Value) == 4 {
				c.priority = binary.BigEndian.Uint32(a.Value)
			}
		case stun.AttrUseCandidate:
			c.nominates = true
		case stun.AttrICEControlled:
			c.controlled = true
		case stun.AttrUsername:
		default:
			if a.Type.Required() {
				c.unknown = append(c.unknown, a.Type)
			}
		}
	}
	return c
}

// reply sends a response that proves itself with our password.
func (i *ICE) reply(s *Socket, to netip.AddrPort, c check, kind stun.MessageType, content ...stun.Setter) {
	setters := append([]stun.Setter{stun.NewTransactionIDSetter(c.transaction), kind}, content...)
	m, err := stun.Build(append(setters, stun.NewShortTermIntegrity(i.pwd), stun.Fingerprint)...)
	if err == nil { // it fails for an error code without a text only
		s.Send(m.Raw, to)
	}
}
