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
			req.Headers()[i] = sip.NewHeader("Via", value)
		}
		return
	}
}

// stamped returns the changed text of a Via header; ok is false when nothing
// changes.
func stamped(list string, remote netip.AddrPort) (value string, ok bool) {
	top, rest := cutValue(list)
	via, err := ParseVia(top)
	if err != nil {
		return "", false
	}
	addr := remote.Addr().Unmap().WithZone("")
	received := via.RPort >= 0
	if host, err := netip.ParseAddr(via.Host); err != nil || host.Unmap() != addr {
		received = true
	}
	if !received && via.Received == "" {
		return "", false
	}
	var b strings.Builder
	b.Grow(len(list) + 60)
	copyWithout(&b, top, "received", "rport")
	if received {
		b.WriteString(";received=")
		b.WriteString(addr.String())
	}
	if via.RPort >= 0 {
		b.WriteString(";rport=")
		b.WriteString(strconv.Itoa(int(remote.Port())))
	}
	if rest != "" {
		b.WriteByte(',')
		b.WriteString(rest)
	}
	return b.String(), true
}

// copyWithout copies a value without two of its parameters.
func copyWithout(b *strings.Builder, s, name1, name2 string) {
	end, _ := indexOutside(s, ';', ';')
	b.WriteString(s[:end])
	for s = s[end:]; s != ""; {
		end, _ = indexOutside(s[1:], ';', ';')
		param := s[:1+end]
		s = s[1+end:]
		name, _, _ := strings.Cut(param[1:], "=")
		if name = trim(name); name == "" || equalFold(name, name1) || equalFold(name, name2) {
			continue
		}
		b.WriteString(param)
	}
}
