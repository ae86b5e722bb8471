package registrar

import (
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// binding is a Contact bound to an address-of-record. There is one for every
// device that is registered, so it is kept small: text that many share is
// interned, the URI is parsed when somebody asks, and nothing points into a
// message. Its fields are guarded by the shard of its user.
type binding struct {
	user    store.UserID
	device  *store.Device // never changed, only replaced; shared by the bindings of the device
	contact string        // the URI as registered
	params  string        // other header parameters (";+org.linphone.specs=…"), interned
	path    []string
	callID  string

	flow *transport.Flow // nil when the connection it came by is gone, and for UDP after a restart
	from origin

	registered int64 // unix nanoseconds of the last REGISTER
	expires    int64 // unix nanoseconds
	saved      int64 // until when the store keeps it, unix nanoseconds

	cseq      uint32
	regID     int32 // RFC 5626; 0 without outbound
	q         int16 // 0 … 1000
	instanced bool  // it came with +sip.instance

	place       uint64 // key in table.contacts
	nextFlow    *binding
	nextContact *binding
}

// origin is where the last REGISTER came from and on which of our addresses.
type origin struct {
	transport     string
	remote, local netip.AddrPort
}

func originOf(f *transport.Flow) origin {
	return origin{transport: f.Transport, remote: f.Remote, local: f.Local}
}

// live tells whether the binding has not expired.
func (b *binding) live(now time.Time) bool { return b.expires > now.UnixNano() }

// reachable tells whether the device can be sent something now.
func (b *binding) reachable() bool {
	return b.flow != nil || b.from.transport == transport.UDP
}

// record is what the location table keeps of a user.
type record struct {
	user     store.UserID
	username string
	domain   string
	bindings []*binding // oldest first
	view     *view      // what Lookup returns, nil before somebody looks and after a change
}

// changed makes the next who looks work out the targets anew. The caller holds
// the shard.
func (rec *record) changed() { rec.view = nil }

// Target is one way to one device of a user. Those who look share it: nothing in
// it may be changed.
type Target struct {
	User     store.UserID
	AOR      string // address-of-record of the user as a URI: sip:bob@example.com
	Device   store.Device
	Contact  sip.Uri // becomes the Request-URI
	Path     []string
	Q        int             // 0 … 1000
	Flow     *transport.Flow // nil when the device is known but not reachable now
	Instance string
	RegID    int
	GRUU     string // public GRUU, "" without an instance
	ICE      bool   // it said that it does ICE (RFC 5768)
}

// target makes the Target of b; aor is that of its user.
func (g *Registrar) target(rec *record, b *binding, aor string) (Target, error) {
	u, err := wire.ParseURI(b.contact)
	if err != nil {
		return Target{}, err
	}
	u.Headers = nil // RFC 3261 §19.1.5: headers of a Contact never become headers of a request
	t := Target{
		User: b.user, AOR: aor, Device: *b.device, Contact: u, Path: b.path, Q: int(b.q),
		Flow: b.flow, Instance: b.device.Instance, RegID: int(b.regID),
		ICE: strings.Contains(b.params+";", ";+sip.ice;"),
	}
	if b.instanced {
		t.GRUU = string(appendGRUU(nil, rec, b.device.Instance))
	}
	return t, nil
}
