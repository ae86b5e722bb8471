package proxy

import (
	"encoding/binary"
	"hash/maphash"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/wire"
)

func errBreadth() *server.Error {
	return &server.Error{Status: 440}
}

// loopHash is the second part of our branches with its dot (RFC 5393 §4.2.2): equal for a
// request that comes back unchanged, different for one whose Request-URI was
// changed in between (a spiral, which is legal). It is keyed: nobody can write a
// Via that looks like ours.
func (p *Proxy) loopHash(r *server.Request) string {
	var h maphash.Hash
	h.SetSeed(p.loops)
	for _, part := range [...]string{
		r.Recipient.Scheme, r.Recipient.User, r.Recipient.Host,
		r.FromTag, r.ToTag, r.CallID, r.CSeqMethod,
	} {
		h.WriteString(part)
		h.WriteByte(0)
	}
	var room [16]byte
	numbers := binary.BigEndian.AppendUint64(room[:0], uint64(r.Recipient.Port))
	h.Write(binary.BigEndian.AppendUint32(numbers, r.CSeq))
	for _, param := range r.Recipient.UriParams {
		h.WriteString(param.K)
		h.WriteByte('=')
		h.WriteString(param.V)
		h.WriteByte(0)
	}
	return string(strconv.AppendUint(append(room[:0], '.'), h.Sum64(), 36))
}

// looped tells whether r passed here before with the same Request-URI
// (RFC 5393 §4.2.1): one of its Via values carries its hash.
func (p *Proxy) looped(r *server.Request, hash string) bool {
	for via := range wire.All(r.Request, "Via") {
		if !strings.Contains(via, hash) {
			continue
		}
		if v, err := wire.ParseVia(via); err == nil && strings.HasSuffix(v.Branch, hash) {
			return true
		}
	}
	return false
}

// breadthHeader tells the next ones how many branches they may have.
func (p *Proxy) breadthHeader(n int) sip.Header {
	if n == p.cfg.MaxBreadth {
		return p.fullBreadth // for most
	}
	return wire.H("Max-Breadth", strconv.Itoa(n)) // RFC 5393 §5.3.3
}

// breadth is how many branches r may have at a time, here and after us
// (RFC 5393 §5.3.3). ok is false when that is none.
func (p *Proxy) breadth(r *server.Request) (n int, ok bool) {
	text := wire.Header(r.Request, "Max-Breadth")
	if text == "" {
		return p.cfg.MaxBreadth, true
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 {
		return 0, false
	}
	return min(n, p.cfg.MaxBreadth), true
}
