package registrar

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// TestFlowClosed: the binding stays and is unreachable until its device is
// back, on whatever port.
func TestFlowClosed(t *testing.T) {
	w := newWorld(t, nil)
	w.phone("alice", flow(1, "TLS")).must(200, instance(1, "a"))
	w.phone("alice", flow(2, "TLS")).must(200, instance(2, "b"))
	w.FlowClosed(flow(1, "TLS"))
	w.wantWhere(1, "1 away, 2")
	w.phone("alice", flow(3, "TLS")).must(200, instance(3, "a"))
	w.wantWhere(1, "3, 2")
	w.FlowClosed(flow(1, "TLS"))
	w.wantWhere(1, "3, 2")
	if ts := w.ByFlow(flow(3, "TLS")); len(ts) != 1 || ts[0].Instance != "urn:uuid:a" || ts[0].Device.ID != 1 {
		t.Errorf("%+v", ts)
	}
	if ts := w.ByFlow(flow(1, "TLS")); len(ts) != 0 {
		t.Errorf("%+v", ts)
	}
}

// TestSeveralOnOneFlow: one connection may carry several accounts.
func TestSeveralOnOneFlow(t *testing.T) {
	w := newWorld(t, nil)
	f := flow(1, "TLS")
	w.phone("alice", f).must(200, "Contact: <sip:alice@192.0.2.1:1>")
	w.phone("bob", f).must(200, "Contact: <sip:bob@192.0.2.1:1>")
	if len(w.ByFlow(f)) != 2 {
		t.Errorf("%+v", w.ByFlow(f))
	}
	w.FlowClosed(f)
	w.wantWhere(1, "1 away")
	w.wantWhere(2, "1 away")
}

// TestPhoneWithoutInstance: over connections its port is another one each time.
func TestPhoneWithoutInstance(t *testing.T) {
	w := newWorld(t, nil)
	agent := "User-Agent: Desk 1"
	w.phone("alice", flow(1, "TCP"), agent).must(200, "Contact: <sip:alice@192.0.2.1:1>")
	w.phone("alice", flow(2, "TCP"), agent).must(200, "Contact: <sip:alice@192.0.2.1:2>")
	w.wantWhere(1, "1, 2") // both are alive: two phones
	w.FlowClosed(flow(1, "TCP"))
	w.phone("alice", flow(3, "TCP"), "User-Agent: Desk 2").must(200, "Contact: <sip:alice@192.0.2.1:3>")
	w.wantWhere(1, "1 away, 2, 3")
	w.phone("alice", flow(4, "TCP"), agent).must(200, "Contact: <sip:alice@192.0.2.1:4>")
	w.wantWhere(1, "4, 2, 3")
	if d := w.Lookup(1)[0].Device; d.ID != 1 || len(w.store.devices) != 3 {
		t.Errorf("it became device %d of %d", d.ID, len(w.store.devices))
	}
	if len(w.store.bindings) != 3 {
		t.Errorf("the store keeps %d bindings", len(w.store.bindings))
	}
}

// TestBaresip: no instance, and another Contact each time it is started; it
// stays the device that it was, whether it said goodbye or not.
func TestBaresip(t *testing.T) {
	for name, network := range map[string]string{"UDP": "UDP", "TLS": "TLS"} {
		w := newWorld(t, nil)
		device := func(start int, leave bool) store.DeviceID {
			f := flow(25060, network) // over UDP, the same port
			f.ID = uint64(start)
			p := w.phone("alice", f, "User-Agent: baresip v1.0.0 (x86_64/linux)")
			contact := fmt.Sprintf("Contact: <sip:alice-0x%d@192.0.2.1:25060>", start)
			p.must(200, contact)
			targets := w.Lookup(1)
			if len(targets) != 1 {
				t.Fatalf("%s, start %d: %s", name, start, w.where(1))
			}
			if leave {
				p.must(200, contact+";expires=0")
			}
			w.FlowClosed(f)
			return targets[0].Device.ID
		}
		for start := range 6 {
			if d := device(start, start%2 == 0); d != 1 {
				t.Errorf("%s, start %d: device %d", name, start, d)
			}
		}
	}
}

// TestFlowEndsMeanwhile: a connection that ends while the store is asked.
func TestFlowEndsMeanwhile(t *testing.T) {
	w := newWorld(t, nil)
	w.phone("alice", flow(666, "TLS")).must(200, instance(1, "a"))
	for w.where(1) != "1 away" {
		runtime.Gosched() // FlowClosed comes after the answer
	}
}

// TestOutboundRFC5626: two flows of one instance (RFC 5626 §9), the newest
// first; a flow that comes back replaces its older self.
func TestOutboundRFC5626(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		outbound := []string{"Supported: path, outbound"}
		r := w.phone("alice", flow(1, "TLS"), outbound...).must(200, instance(1, "0C67446E", ";reg-id=1"))
		if fmt.Sprint(r.values("Require"), r.values("Flow-Timer")) != "[outbound] [120]" {
			t.Errorf("%v", r.headers)
		}
		if got := r.values("Contact")[0]; !strings.Contains(got, `;+sip.instance="<urn:uuid:0C67446E>";reg-id=1`) {
			t.Error(got)
		}
		time.Sleep(time.Second)
		w.phone("alice", flow(2, "TLS"), outbound...).must(200, instance(2, "0C67446E", ";reg-id=2"))
		time.Sleep(time.Second)
		w.wantWhere(1, "2, 1")
		w.FlowClosed(flow(2, "TLS"))
		w.wantWhere(1, "1, 2 away")
		w.phone("alice", flow(3, "TLS"), outbound...).must(200, instance(3, "0C67446E", ";reg-id=2"))
		w.wantWhere(1, "3, 1")
		if len(w.store.devices) != 1 || len(w.store.bindings) != 2 {
			t.Errorf("%d devices, %d bindings in the store", len(w.store.devices), len(w.store.bindings))
		}
		// Without outbound the reg-id means nothing, and the instance has one binding.
		r = w.phone("alice", flow(4, "TLS")).must(200, instance(4, "0C67446E", ";reg-id=1"))
		if r.values("Require") != nil {
			t.Error("outbound for a client without it")
		}
		w.wantWhere(1, "4")
		if len(w.store.bindings) != 1 {
			t.Errorf("%d bindings in the store", len(w.store.bindings))
		}
	})
}

// TestOutboundThroughEdge: an edge proxy that keeps flows says so with "ob".
func TestOutboundThroughEdge(t *testing.T) {
	w := newWorld(t, nil)
	r := w.phone("alice", flow(1, "TLS"), "Supported: path, outbound", "Via: SIP/2.0/TLS edge;branch=z9hG4bK2").
		must(200, instance(1, "a", ";reg-id=1"), "Path: <sip:core;lr>, <sip:token@edge;lr;ob>")
	if fmt.Sprint(r.values("Path")) != "[<sip:core;lr> <sip:token@edge;lr;ob>]" {
		t.Errorf("%q", r.values("Path"))
	}
}

// TestPathRFC3327: kept in order, told back to who understands it.
func TestPathRFC3327(t *testing.T) {
	w := newWorld(t, nil)
	const path = "Path: <sip:P3.EXAMPLEHOME.COM;lr>,<sip:P1.EXAMPLEVISITED.COM;lr>"
	p := w.phone("alice", flow(5060, "UDP"))
	r := p.must(200, "Contact: <sip:alice@192.0.2.4>", "Supported: path", path)
	if fmt.Sprint(r.values("Path")) != "[<sip:P3.EXAMPLEHOME.COM;lr> <sip:P1.EXAMPLEVISITED.COM;lr>]" {
		t.Errorf("%q", r.values("Path"))
	}
	if got := w.Lookup(1)[0].Path; len(got) != 2 || got[0] != "<sip:P3.EXAMPLEHOME.COM;lr>" {
		t.Errorf("%q", got)
	}
	if r := p.must(200, "Contact: <sip:alice@192.0.2.4>", path); r.values("Path") != nil {
		t.Errorf("%q", r.values("Path"))
	}
}

// gruus returns the GRUUs of a Contact value.
func gruus(t *testing.T, contact string) (public, temporary string) {
	t.Helper()
	na, err := wire.ParseNameAddr(contact)
	if err != nil {
		t.Fatal(err)
	}
	public, _ = na.Param("pub-gruu")
	temporary, _ = na.Param("temp-gruu")
	return public, temporary
}

// resolve waits for the answer.
func (w *world) resolve(uri string) Resolved {
	w.t.Helper()
	u, err := wire.ParseURI(uri)
	if err != nil {
		w.t.Fatal(err)
	}
	later := make(chan Resolved, 1)
	r, ok := w.Resolve(&u, func(r Resolved) { later <- r })
	if !ok {
		r = <-later
	}
	return r
}

// TestGRUU: RFC 5627 §3 and §9.
func TestGRUU(t *testing.T) {
	w := newWorld(t, nil)
	p := w.phone("alice", flow(1, "TLS"), "Supported: gruu, path")
	const id = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
	public, temporary := gruus(t, p.must(200, instance(1, id)).values("Contact")[0])
	if public != "sip:alice@example.com;gr=urn:uuid:"+id || !strings.HasSuffix(temporary, "@example.com;gr") {
		t.Fatalf("%q %q", public, temporary)
	}
	w.phone("alice", flow(2, "TLS")).must(200, instance(2, "other"))
	if w.Lookup(1)[0].GRUU != public {
		t.Errorf("%q", w.Lookup(1)[0].GRUU)
	}
	_, second := gruus(t, p.must(200, instance(1, id)).values("Contact")[0])
	if second == temporary {
		t.Error("two temporary GRUUs are equal")
	}
	ports := func(uri string) string {
		r := w.resolve(uri)
		s := fmt.Sprint(r.Found)
		for _, t := range r.Targets {
			s += fmt.Sprint(" ", t.Contact.Port)
		}
		return s
	}
	for uri, want := range map[string]string{
		public:                          "true 1",
		temporary:                       "true 1",
		second:                          "true 1",
		"sip:alice@example.com":         "true 1 2",
		"sip:Alice@EXAMPLE.com:5061":    "true 1 2",
		"sip:%61lice@example.com":       "true 1 2",
		"sip:1001@example.com":          "true 1 2",
		"sip:alice@203.0.113.1":         "true 1 2",
		"sip:bob@example.com":           "true",
		"sip:nobody@example.com":        "false",
		"sip:alice@example.org":         "false",
		public + "0":                    "true",
		"sip:tgruu.AAAA@example.com;gr": "false",
		"sip:alice@example.com;gr":      "false",
	} {
		if got := ports(uri); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
	// RFC 5627 §5.1: a new Call-ID ends the temporary ones, not the public one.
	p.callID = "restarted"
	_, third := gruus(t, p.must(200, instance(1, id)).values("Contact")[0])
	for uri, want := range map[string]string{public: "true 1", temporary: "false", second: "false", third: "true 1"} {
		if got := ports(uri); got != want {
			t.Errorf("after a restart of the client, %s: %s, want %s", uri, got, want)
		}
	}
	if public, _ := gruus(t, w.phone("alice", flow(3, "TLS")).must(200).values("Contact")[0]); public != "" {
		t.Error("GRUUs for a client that does not know them")
	}
}

func TestResolve(t *testing.T) {
	w := newWorld(t, nil)
	if r := w.resolve("sip:carol@example.com"); !r.Found || !r.Disabled || r.Targets != nil {
		t.Errorf("%+v", r)
	}
	before := w.store.lookups
	w.resolve("sip:carol@example.com")
	if w.store.lookups != before {
		t.Error("the store was asked twice")
	}
	w.store.users[2].Disabled = false
	w.ForgetUser(3)
	if r := w.resolve("sip:carol@example.com"); r.Disabled {
		t.Errorf("%+v", r)
	}
	w.store.err = store.ErrUnavailable
	if r := w.resolve("sip:bob@example.com"); r.Err == nil {
		t.Errorf("%+v", r)
	}
}

// TestByContact: the phone that is reachable there.
func TestByContact(t *testing.T) {
	w := newWorld(t, nil)
	w.phone("alice", flow(1, "TLS")).must(200, "Contact: <sip:alice@192.0.2.1:1;transport=tls>")
	for uri, want := range map[string]bool{
		"sip:alice@192.0.2.1:1;transport=tls": true,
		"sip:alice@192.0.2.1:1;transport=TLS": true,
		"sip:alice@192.0.2.1:1;transport=udp": false,
		"sip:alice@192.0.2.1:2;transport=tls": false,
		"sip:bob@192.0.2.1:1;transport=tls":   false,
	} {
		u, _ := wire.ParseURI(uri)
		if _, ok := w.ByContact(&u); ok != want {
			t.Errorf("%s: %v", uri, ok)
		}
	}
	u, _ := wire.ParseURI("sip:alice@192.0.2.1:1;transport=tls")
	w.RemoveUser(2)
	if _, ok := w.ByContact(&u); !ok {
		t.Error("removing bob removed alice")
	}
	w.FlowClosed(flow(1, "TLS"))
	if _, ok := w.ByContact(&u); ok {
		t.Error("found although it cannot be reached")
	}
	w.RemoveUser(1)
	if len(w.table.contacts.heads)+len(w.table.flows.heads) != 0 {
		t.Error("the indexes are not empty")
	}
}

// TestRestart: UDP bindings are reachable after a restart, others when their
// device is back; the device keeps its number.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.phone("alice", flow(1, "TLS"), "Accept: text/plain", "User-Agent: A").must(200, instance(1, "a", ";+x=1"))
		w.phone("alice", flow(2, "UDP")).must(200, instance(2, "b", ";q=0.5"), "Path: <sip:edge;lr>")
		w.phone("alice", flow(3, "TLS")).must(200, instance(3, "c"))
		w.phone("bob", flow(4, "TCP"), "User-Agent: B").must(200, "Contact: <sip:bob@192.0.2.1:4>")
		now := time.Now()
		w.store.devices[2].Revoked = &now

		again := newWorldOn(t, w.store, nil)
		if err := again.Restore(context.Background()); err != nil {
			t.Fatal(err)
		}
		again.wantWhere(1, "1 away, 2 q500")
		again.wantWhere(2, "4 away")
		targets := again.Lookup(1)
		if a := targets[0]; a.Device.ID != 1 || a.Device.UserAgent != "A" || len(a.Device.Accept) != 1 || a.GRUU != "sip:alice@example.com;gr=urn:uuid:a" {
			t.Errorf("%+v", a)
		}
		if b := targets[1]; b.Flow == nil || b.Flow.Remote != flow(2, "UDP").Remote || len(b.Path) != 1 {
			t.Errorf("%+v", b)
		}
		if len(again.ByFlow(flow(2, "UDP"))) != 1 {
			t.Error("the flow of the UDP binding is not indexed")
		}
		touched := w.store.touched
		again.phone("alice", flow(11, "TLS"), "Accept: text/plain", "User-Agent: A").must(200, instance(11, "a"))
		again.phone("bob", flow(14, "TCP"), "User-Agent: B").must(200, "Contact: <sip:bob@192.0.2.1:14>")
		again.wantWhere(1, "11, 2 q500")
		again.wantWhere(2, "14")
		synctest.Wait()
		if w.store.touched != touched {
			t.Errorf("known devices were written %d times", w.store.touched-touched)
		}
		time.Sleep(2 * time.Hour)
		again.sweep(time.Now())
		if len(w.store.bindings) > 1 { // the revoked one was never restored
			t.Errorf("%v", w.store.bindings)
		}
	})
}

// TestRefreshIsNotSaved: what changes nothing but the time is not written.
func TestRefreshIsNotSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		tls, udp := w.phone("alice", flow(1, "TLS")), w.phone("bob", flow(2, "UDP"))
		for range 60 {
			tls.must(200, instance(1, "a"))
			time.Sleep(time.Minute)
		}
		if w.store.saves != 1 {
			t.Errorf("TLS: saved %d times in an hour", w.store.saves)
		}
		w.store.saves = 0
		for range 60 {
			udp.must(200, "Contact: <sip:bob@192.0.2.1:2>;expires=90")
			time.Sleep(time.Minute)
		}
		if w.store.saves > 11 {
			t.Errorf("UDP: saved %d times in an hour", w.store.saves)
		}
	})
}

// TestRun: what expired is cleared away without anybody asking.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		go w.Run(ctx)
		w.phone("alice", flow(1, "TLS")).must(200, instance(1, "a", ";expires=60"))
		time.Sleep(91 * time.Second)
		synctest.Wait()
		if len(w.store.bindings)+len(w.table.flows.heads)+len(w.table.of(1).users) != 0 {
			t.Error("an expired binding is kept")
		}
		cancel()
	})
}
