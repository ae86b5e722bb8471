package wire

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Stamp writes received and rport into the topmost Via (RFC 3261 §18.2.1,
// RFC 3581 §4) and takes away those that the sender wrote. It changes req and
// therefore belongs directly behind parsing, before anybody has seen it. A Via
// that cannot be read stays as it is.
func Stamp(req *sip.Request, remote netip.AddrPort) {
	for i, h := range req.Headers() {
		if h.Name() != "Via" {
			continue
		}
		if value, ok := stamped(h.Value(), remote); ok {
			req.Headers()[i] = newField("Via", value)
		}
		return
	}
}

// stamped returns the changed text of a Via header; ok is false when nothing
// changes.
func stamped(list string, remote netip.AddrPort) (value string, ok bool) {
	top, rest := cutValue(list)
	host, wrote, rport, err := sender(top)
	if err != nil {
		return "", false
	}
	addr := remote.Addr().Unmap().WithZone("")
	received := rport || !names(host, addr)
	if !received && !wrote {
		return "", false
	}
	var room [256]byte
	b := appendWithout(room[:0], top, "received", "rport")
	if received {
		b = addr.AppendTo(append(b, ";received="...))
	}
	if rport {
		b = strconv.AppendUint(append(b, ";rport="...), uint64(remote.Port()), 10)
	}
	if rest != "" {
		b = append(append(b, ','), rest...)
	}
	return string(b), true
}

// sender reads of a Via value what Stamp asks for: the host, and whether the
// parameters received and rport are there. It fails where ParseVia does.
func sender(value string) (host string, received, rport bool, err error) {
	var v Via
	sentBy, params, err := v.cutTransport(value)
	if err != nil {
		return "", false, false, err
	}
	if host, _, err = parseHostPort(sentBy); err != nil {
		return "", false, false, err
	}
	if params = trim(params); params == ";" {
		return "", false, false, errParam
	}
	for params != "" {
		var name string
		if name, _, params, err = nextParam(params); err != nil {
			return "", false, false, err
		}
		received = received || equalFold(name, "received")
		rport = rport || equalFold(name, "rport")
	}
	return host, received, rport, nil
}

// names tells whether host is addr in writing.
func names(host string, addr netip.Addr) bool {
	var room [64]byte
	if string(addr.AppendTo(room[:0])) == host {
		return true
	}
	other, err := netip.ParseAddr(host)
	return err == nil && other.Unmap() == addr
}

// appendWithout writes a value without two of its parameters.
func appendWithout(b []byte, s, name1, name2 string) []byte {
	end, _ := indexOutside(s, ';', ';')
	b = append(b, s[:end]...)
	for s = s[end:]; s != ""; {
		end, _ = indexOutside(s[1:], ';', ';')
		param := s[:1+end]
		s = s[1+end:]
		name, _, _ := strings.Cut(param[1:], "=")
		if name = trim(name); name == "" || equalFold(name, name1) || equalFold(name, name2) {
			continue
		}
		b = append(b, param...)
	}
	return b
}
