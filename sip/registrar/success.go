package registrar

import (
	"net/http"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// success makes the headers of the 200 (RFC 3261 §10.3 step 8): every current
// binding with the time it has left.
func (g *Registrar) success(rec *record, reg *registration) []sip.Header {
	hs := make([]sip.Header, 0, len(rec.bindings)+len(reg.path)+4)
	for _, b := range rec.bindings {
		if b.live(reg.now) {
			hs = append(hs, wire.H("Contact", g.contactValue(rec, reg, b)))
		}
	}
	hs = append(hs, g.dateHeader(reg.now))
	if reg.supportsPath {
		for _, v := range reg.path { // RFC 3327 §5.3
			hs = append(hs, wire.H("Path", v))
		}
	}
	if reg.outbound {
		hs = g.outboundHeaders(hs)
	}
	return hs
}

// date is a Date header that is good for one second.
type date struct {
	second int64
	header sip.Header
}

// dateHeader is the Date of now, made once a second.
func (g *Registrar) dateHeader(now time.Time) sip.Header {
	if d := g.date.Load(); d != nil && d.second == now.Unix() {
		return d.header
	}
	d := &date{second: now.Unix(), header: wire.H("Date", now.UTC().Format(http.TimeFormat))}
	g.date.Store(d)
	return d.header
}

// contactValue writes a binding as a Contact value. GRUUs are for clients that
// understand them (RFC 5627 §5.3); a temporary one is told only to the device
// that it means.
func (g *Registrar) contactValue(rec *record, reg *registration, b *binding) string {
	v := make([]byte, 0, 512)
	v = append(v, '<')
	v = append(v, b.contact...)
	v = append(v, ">;expires="...)
	v = strconv.AppendInt(v, (b.expires-reg.now.UnixNano()+int64(time.Second)-1)/int64(time.Second), 10)
	if b.q < 1000 {
		v = append(v, ";q=0."...)
		v = append(v, byte('0'+b.q/100), byte('0'+b.q/10%10), byte('0'+b.q%10))
	}
	if b.instanced {
		v = append(v, `;+sip.instance="<`...)
		v = append(v, b.device.Instance...)
		v = append(v, `>"`...)
	}
	if b.regID > 0 {
		v = append(v, ";reg-id="...)
		v = strconv.AppendInt(v, int64(b.regID), 10)
	}
	v = append(v, b.params...)
	if reg.supportsGRUU && b.instanced {
		v = append(v, `;pub-gruu="`...)
		v = appendGRUU(v, rec, b.device.Instance)
		v = append(v, '"')
		if b.callID == reg.callID && b.cseq == reg.cseq {
			v = append(v, `;temp-gruu="`...)
			v = g.appendTemporary(v, rec, b)
			v = append(v, '"')
		}
	}
	return string(v)
}
