package registrar

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// How much longer than promised the store keeps a binding, so that a refresh
// need not be written. A binding over a connection is unreachable after a
// restart whatever its row says; one over UDP may be tried for this much too
// long.
const (
	slackConnection = 7 * 24 * time.Hour
	slackUDP        = 5 * time.Minute
)

// worthSaving tells whether the store must be told of b now: when something
// but the time changed, or its row would end too early. It notes that it was.
func (b *binding) worthSaving(changed bool, now time.Time) bool {
	if !changed && b.saved >= b.expires {
		return false
	}
	slack := slackConnection
	if b.from.transport == transport.UDP {
		slack = slackUDP
	}
	b.saved = b.expires + int64(slack)
	return true
}

// row is b as the store keeps it.
func (b *binding) row() store.Binding {
	return store.Binding{
		User: b.user, Device: b.device.ID, Instance: b.device.Instance, RegID: int(b.regID),
		Contact: b.contact, Params: b.params, Path: b.path, Q: int(b.q),
		CallID: b.callID, CSeq: b.cseq, Expires: time.Unix(0, max(b.saved, b.expires)),
		Received: strings.ToLower(b.from.transport) + " " + b.from.remote.String(),
		Local:    b.from.local.String(), UserAgent: b.device.UserAgent,
	}
}

// save hands changes to the store, which writes them behind.
// A row that is written anew must not be removed as well.
func (g *Registrar) save(done outcome) {
	if len(done.saved) == 0 && len(done.removed) == 0 {
		return // most refreshes
	}
	removed := slices.DeleteFunc(done.removed, func(r store.Binding) bool {
		return slices.ContainsFunc(done.saved, func(s store.Binding) bool { return sameRow(&r, &s) })
	})
	if len(done.saved) > 0 || len(removed) > 0 {
		g.cfg.Bindings.SaveBindings(done.saved, removed)
	}
}

// sameRow tells whether the store takes a and b for the same binding.
func sameRow(a, b *store.Binding) bool {
	return a.User == b.User && a.Instance == b.Instance && a.RegID == b.RegID &&
		(a.Contact == b.Contact || !strings.HasPrefix(a.Instance, contactInstance))
}

// parseOrigin undoes what row made of an origin.
func parseOrigin(received, local string) (o origin, ok bool) {
	name, remote, ok := strings.Cut(received, " ")
	if !ok {
		return o, false
	}
	var err error
	if o.remote, err = netip.ParseAddrPort(remote); err != nil {
		return o, false
	}
	o.local, err = netip.ParseAddrPort(local)
	o.transport = transportName(name)
	return o, o.transport != "" && (err == nil || o.transport != transport.UDP)
}

// transportName returns the constant for a transport in lower case, "" for none.
func transportName(lower string) string {
	for _, name := range [...]string{transport.UDP, transport.TCP, transport.TLS, transport.WS, transport.WSS} {
		if strings.EqualFold(name, lower) {
			return name
		}
	}
	return ""
}
