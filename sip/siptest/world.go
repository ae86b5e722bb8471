package siptest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// World is a server with phones around it: real transactions, and flows that end
// in a phone instead of a socket. The domain of its users is example.com.
type World struct {
	Layer   *transaction.Layer // to be served by the chain of the test
	Phones  map[string]*Phone
	Targets map[string][]registrar.Target      // by user name; whoever has no entry does not exist
	Host    string                             // our own address
	Slow    bool                               // the registrar must ask the store first
	Steps   map[string]func(line, rest string) // what a transcript can say besides, by the first word

	t     testing.TB
	flows map[uint64]*Phone

	mu sync.Mutex // of Targets, where the world itself uses them: timers look up while a phone reconnects
}

// New makes a world without phones; the end of the test closes its layer.
func New(t testing.TB) *World {
	w := &World{t: t, Layer: transaction.New(transaction.Config{}), Host: "192.0.2.1",
		Phones: map[string]*Phone{}, Targets: map[string][]registrar.Target{}, flows: map[uint64]*Phone{}}
	t.Cleanup(w.Layer.Close)
	return w
}

// Phone connects a device of the user with its name, digits at the end left out:
// alice2 is alice's as well. what says how, "tls q=500 gruu": the transport (udp,
// tcp, tls, wss) first; the device registers unless it says "guest". It can have q in
// thousandths, a path, a gruu, and the instance of another device.
func (w *World) Phone(name, what string) *Phone {
	words := strings.Fields(what)
	id := uint64(len(w.flows) + 1)
	remote := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), uint16(40000+id))
	local := uint16(5061)
	if words[0] == "udp" {
		local = 5060
		id |= 1 << 63 // as the transport marks what has no connection
	}
	p := newPhone(w, name)
	p.Flow = transport.NewFlow(&transport.Flow{ID: id, Transport: strings.ToUpper(words[0]),
		Local: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), local), Remote: remote}, p)
	p.Contact, _ = wire.ParseURI(fmt.Sprintf("sip:%s@%s;transport=%s", name, remote, words[0]))
	w.Phones[name], w.flows[id] = p, p
	if !slices.Contains(words, "guest") {
		w.register(p, words[1:])
	}
	return p
}

func (w *World) register(p *Phone, words []string) {
	t := registrar.Target{User: p.User, Contact: p.Contact, Q: 1000, Flow: p.Flow, Instance: "urn:uuid:" + p.Name,
		Device: store.Device{ID: store.DeviceID(p.Flow.ID), UserAgent: p.Name + " phone"}}
	for _, word := range words {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "q":
			fmt.Sscan(value, &t.Q)
		case "path":
			t.Path = []string{value}
		case "instance":
			t.Instance = "urn:uuid:" + value
		case "gruu":
			t.GRUU = "sip:" + p.Account + "@example.com;gr=" + t.Instance
			p.Contact, _ = wire.ParseURI(t.GRUU)
		default:
			w.t.Fatalf("%s: a phone knows no %q", p.Name, word)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Targets[p.Account] = append(w.Targets[p.Account], t)
}

// HangUp ends the flow of a phone.
func (w *World) HangUp(p *Phone) {
	p.broken.Store(true)
	w.Layer.Closed(p.Flow)
}

// Reconnect gives a device a new flow, registers it there and returns it as it is
// from now on.
func (w *World) Reconnect(p *Phone) *Phone {
	w.HangUp(p)
	again := w.Phone(p.Name, strings.ToLower(p.Flow.Transport)+" guest")
	again.Dialog, again.Got, again.Sent, again.Contact = p.Dialog, p.Got, p.Sent, p.Contact
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, t := range w.Targets[p.Account] {
		if t.Flow == p.Flow {
			w.Targets[p.Account][i].Flow = again.Flow
		}
	}
	return again
}

// Idle waits until every timer has run out and checks that no transaction is kept.
func (w *World) Idle() {
	w.t.Helper()
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	if n := w.Layer.Live(); n != 0 {
		w.t.Errorf("%d transactions are left", n)
	}
}

// Check is the authenticator: it trusts every flow to be its phone's.
func (w *World) Check(f *transport.Flow, _ *sip.Request, _ *wire.Core, _ bool, _ func(auth.Result)) (auth.Result, bool) {
	p := w.At(f)
	return auth.Result{Verdict: auth.Proven, Identity: auth.Identity{User: p.User, Username: p.Account, Domain: "example.com"}}, true
}

// At is the phone at the other end of a flow.
func (w *World) At(f *transport.Flow) *Phone { return w.flows[f.ID] }

// Flow finds a phone's flow while it is alive, as the stack does.
func (w *World) Flow(id uint64) (*transport.Flow, bool) {
	p, ok := w.flows[id]
	if !ok || !p.Flow.Alive() {
		return nil, false
	}
	return p.Flow, true
}

// UDPFlow finds the phone at an address.
func (w *World) UDPFlow(_, remote netip.AddrPort) (*transport.Flow, error) {
	for _, p := range w.flows {
		if p.Flow.Remote == remote {
			return p.Flow, nil
		}
	}
	return nil, transport.ErrClosed
}

// Local is how we call ourselves on a flow.
func (w *World) Local(f *transport.Flow) (string, int) { return w.Host, int(f.Local.Port()) }

// Resolve is the location service: the devices of a user, or the one that a GRUU
// names. The user mallory is disabled.
func (w *World) Resolve(u *sip.Uri, resume func(registrar.Resolved)) (registrar.Resolved, bool) {
	if w.Slow {
		go resume(w.resolve(u))
		return registrar.Resolved{}, false
	}
	return w.resolve(u), true
}

// Lookup returns the devices of a user.
func (w *World) Lookup(u store.UserID) (targets []registrar.Target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, all := range w.Targets {
		if userID(name) == u {
			targets = append(targets, all...)
		}
	}
	return targets
}

func (w *World) resolve(u *sip.Uri) registrar.Resolved {
	targets, found := w.Targets[u.User]
	if gr, ok := wire.URIParam(u, "gr"); ok {
		targets = slices.DeleteFunc(slices.Clone(targets), func(t registrar.Target) bool { return t.Instance != gr })
	}
	return registrar.Resolved{Found: found, Targets: targets, Disabled: u.User == "mallory",
		User: store.User{ID: userID(u.User), Username: u.User, Domain: "example.com"}}
}

// ByContact finds the device that registered a Contact.
func (w *World) ByContact(u *sip.Uri) (registrar.Target, bool) {
	for _, all := range w.Targets {
		for _, t := range all {
			if wire.EqualURI(&t.Contact, u) {
				return t, true
			}
		}
	}
	return registrar.Target{}, false
}

// ByFlow finds what registered by a flow.
func (w *World) ByFlow(f *transport.Flow) (here []registrar.Target) {
	for _, all := range w.Targets {
		for _, t := range all {
			if t.Flow != nil && t.Flow.ID == f.ID {
				here = append(here, t)
			}
		}
	}
	return here
}

// userID of a user is the first letter of his name.
func userID(name string) store.UserID {
	if name == "" {
		return 0
	}
	return store.UserID(name[0])
}
