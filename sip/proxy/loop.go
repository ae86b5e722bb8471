package proxy

import (
	"hash/maphash"
	"strconv"
	"strings"

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
		r.Recipient.Scheme, r.Recipient.User, r.Recipient.Host, strconv.Itoa(r.Recipient.Port),
		r.FromTag, r.ToTag, r.CallID, strconv.FormatUint(uint64(r.CSeq), 10), r.CSeqMethod,
	} {
		h.WriteString(part)
		h.WriteByte(0)
	}
	for _, param := range r.Recipient.UriParams {
		h.WriteString(param.K)
		h.WriteByte('=')
		h.WriteString(param.V)
		h.WriteByte(0)
	}
	return "." + strconv.FormatUint(h.Sum64(), 36)
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
