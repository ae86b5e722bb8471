package registrar

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/store"
)

// TestRegisterRFC3261 is the registration of RFC 3261 §24.1: Bob's REGISTER
// with Expires 7200 and its 200.
func TestRegisterRFC3261(t *testing.T) {
	w := newWorld(t, nil)
	p := w.phone("bob", flow(5060, "UDP"))
	r := p.must(200, "Contact: <sip:bob@192.0.2.4>", "Expires: 7200")
	if got := r.values("Contact"); len(got) != 1 || got[0] != "<sip:bob@192.0.2.4>;expires=7200" {
		t.Errorf("%q", got)
	}
	if len(r.values("Date")) != 1 {
		t.Error("no Date")
	}
}

// TestTableRFC3261 walks through RFC 3261 §10.2 and §10.3: add, list, q,
// refresh, expiry, remove one, remove all.
func TestTableRFC3261(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		p := w.phone("alice", flow(5060, "UDP"))
		p.must(200, `Contact: "Alice" <sip:alice@192.0.2.1:1>;q=0.7;expires=3600, sip:alice@192.0.2.1:2;q=0.1`, "Expires: 600")
		w.wantWhere(1, "1 q700, 2 q100")
		r := p.must(200) // fetch, §10.2.3
		if got := strings.Join(r.values("Contact"), "|"); got != "<sip:alice@192.0.2.1:1>;expires=3600;q=0.700|<sip:alice@192.0.2.1:2>;expires=600;q=0.100" {
			t.Errorf("fetched %s", got)
		}
		time.Sleep(600*time.Second - 1)
		w.wantWhere(1, "1 q700, 2 q100")
		time.Sleep(time.Nanosecond)
		w.wantWhere(1, "1 q700") // to the nanosecond
		p.must(200, "Contact: <sip:alice@192.0.2.1:1>;q=0.2", "Contact: <sip:alice@192.0.2.1:3>;expires=never")
		w.wantWhere(1, "3, 1 q200")
		p.must(200, "Contact: <sip:alice@192.0.2.1:3>;expires=0") // §10.2.2
		w.wantWhere(1, "1 q200")
		p.must(200, "Contact: *", "Expires: 0")
		w.wantWhere(1, "")
		if len(w.store.bindings) != 0 {
			t.Errorf("the store keeps %v", w.store.bindings)
		}
	})
}

// TestRefused: what is refused, and that nothing of it happened.
func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		lines  []string
	}{
		"short interval":           {423, []string{"Contact: <sip:alice@192.0.2.1:2>;expires=59"}},
		"one of two is short":      {423, []string{"Contact: <sip:alice@192.0.2.1:2>, <sip:alice@192.0.2.1:3>;expires=1"}},
		"star with another":        {400, []string{"Contact: *, <sip:alice@192.0.2.1:2>", "Expires: 0"}},
		"star that stays":          {400, []string{"Contact: *", "Expires: 60"}},
		"star without Expires":     {400, []string{"Contact: *"}},
		"not SIP (unksm2)":         {400, []string{"Contact: <name:John_Smith>"}},
		"no SIP (tel)":             {400, []string{"Contact: <tel:+1234>"}},
		"bare headers (regbadct)":  {400, []string{"Contact: sip:user@192.0.2.2?Route=%3Csip:sip.example.com%3E"}},
		"one of two is broken":     {400, []string{"Contact: <sip:alice@192.0.2.1:2>, <sip:alice@"}},
		"q too great":              {400, []string{"Contact: <sip:alice@192.0.2.1:2>;q=1.001"}},
		"q no number":              {400, []string{"Contact: <sip:alice@192.0.2.1:2>;q=high"}},
		"the same twice":           {400, []string{"Contact: <sip:alice@192.0.2.1:2>, <sip:alice@192.0.2.1:2>;expires=0"}},
		"instance with quotes":     {400, []string{`Contact: <sip:alice@192.0.2.1:2>;+sip.instance="<a\";x=\"y>"`}},
		"endless instance":         {400, []string{instance(2, strings.Repeat("a", 256))}},
		"instance of another kind": {400, []string{`Contact: <sip:alice@192.0.2.1:2>;+sip.instance="<contact:alice@192.0.2.1:1>"`}},
		"reg-id no number":         {400, []string{"Contact: <sip:alice@192.0.2.1:2>;reg-id=0"}},
		"this server":              {403, []string{"Contact: <sip:alice@sip.example.com:5061>"}},
		"this server's address":    {403, []string{"Contact: <sip:alice@203.0.113.1:5061>"}},
		"an address-of-record":     {403, []string{"Contact: <sip:bob@example.com>"}},
		"too many":                 {403, []string{"Contact: " + manyContacts(11)}},
		"10,000":                   {403, []string{"Contact: " + manyContacts(200)}},
		"unknown extension":        {420, []string{"Contact: <sip:alice@192.0.2.1:2>", "Require: path, teleport"}},
		"Path that is none":        {400, []string{"Contact: <sip:alice@192.0.2.1:2>", "Path: <sip:"}},
		"endless Path":             {400, []string{"Contact: <sip:alice@192.0.2.1:2>", "Path: " + strings.Repeat("<sip:a;lr>, ", 8) + "<sip:a;lr>"}},
		"outbound for two":         {400, []string{"Supported: outbound", instance(2, "a", ";reg-id=1") + ", <sip:alice@192.0.2.1:3>"}},
		"outbound behind a proxy":  {439, []string{"Supported: outbound", instance(2, "a", ";reg-id=1"), "Via: SIP/2.0/TLS edge;branch=z9hG4bK2", "Path: <sip:edge;lr>"}},
		"outbound and no Path":     {439, []string{"Supported: outbound", instance(2, "a", ";reg-id=1"), "Via: SIP/2.0/TLS edge;branch=z9hG4bK2"}},
		"limit: ten and one more":  {403, []string{"Contact: " + manyContacts(10), "User-Agent: another"}},
		"order: same CSeq as last": {500, []string{"CSeq is repeated"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			p := w.phone("alice", flow(5060, "UDP"))
			p.must(200, "Contact: <sip:alice@192.0.2.1:1>")
			if strings.HasPrefix(name, "order") {
				p.cseq--
				test.lines = []string{"Contact: <sip:alice@192.0.2.1:9>, <sip:alice@192.0.2.1:1>"}
			}
			r := p.must(test.status, test.lines...)
			if test.status == 423 && fmt.Sprint(r.values("Min-Expires")) != "[60]" {
				t.Errorf("Min-Expires %q", r.values("Min-Expires"))
			}
			if test.status == 420 && fmt.Sprint(r.values("Unsupported")) != "[teleport]" {
				t.Errorf("Unsupported %q", r.values("Unsupported"))
			}
			w.wantWhere(1, "1")
		})
	}
}

func manyContacts(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("<sip:alice@192.0.2.9:%d>", 2000+i))
	}
	return strings.Join(list, ", ")
}

// TestHijack: nobody registers for another, and cannot tell who exists.
func TestHijack(t *testing.T) {
	w := newWorld(t, nil)
	p := w.phone("alice", flow(5060, "UDP"))
	var answers []string
	for _, to := range []string{"bob@example.com", "nobody@example.com", "alice@example.org", "carol@example.com", "example.com"} {
		p.to = to
		answers = append(answers, p.must(403, "Contact: <sip:alice@192.0.2.1:1>").String())
	}
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("the answers differ: %q", answers)
		}
	}
	p.to = "alice@203.0.113.1:5061" // our address instead of our domain
	p.must(200, "Contact: <sip:alice@192.0.2.1:1>")
	p.to = "1001@example.com" // her number
	p.must(200, "Contact: <sip:1001@192.0.2.1:2>")
	w.wantWhere(1, "1, 2")
	w.wantWhere(2, "")
}

func TestIntervals(t *testing.T) {
	w := newWorld(t, nil)
	p := w.phone("alice", flow(5060, "UDP"))
	for asked, want := range map[string]string{
		"":                            ";expires=3600",
		";expires=60":                 ";expires=60",
		";expires=100000":             ";expires=86400",
		";expires=99999999999999":     ";expires=86400",
		`;expires="600"`:              ";expires=600",
		";Expires=700;+sip.rendering": ";expires=700;+sip.rendering",
		`;methods="INVITE, ACK"`:      `;expires=3600;methods="INVITE, ACK"`,
	} {
		r := p.must(200, "Contact: <sip:alice@192.0.2.1:1>"+asked)
		if got := r.values("Contact"); len(got) != 1 || got[0] != "<sip:alice@192.0.2.1:1>"+want {
			t.Errorf("%s: %q", asked, got)
		}
	}
}

// TestContactHeaders (regescrt): the headers of a Contact URI are kept and
// never become headers.
func TestContactHeaders(t *testing.T) {
	w := newWorld(t, nil)
	r := w.phone("alice", flow(5060, "UDP")).must(200, "Contact: <sip:alice@192.0.2.1:1?Route=%3Csip:sip.example.com%3E>")
	if got := r.values("Contact"); got[0] != "<sip:alice@192.0.2.1:1?Route=%3Csip:sip.example.com%3E>;expires=3600" {
		t.Errorf("%q", got)
	}
	if target := w.Lookup(1)[0]; target.Contact.Headers != nil {
		t.Errorf("%v", target.Contact.Headers)
	}
}

// TestOrder: within a Call-ID only what is newer counts; another Call-ID is a
// client that started anew.
func TestOrder(t *testing.T) {
	w := newWorld(t, nil)
	p := w.phone("alice", flow(5060, "UDP"))
	p.cseq = 10
	p.must(200, "Contact: <sip:alice@192.0.2.1:1>;q=0.5")
	p.cseq = 5
	p.must(500, "Contact: *", "Expires: 0")
	p.cseq = 5
	p.must(500, "Contact: <sip:alice@192.0.2.1:1>;expires=0")
	w.wantWhere(1, "1 q500")
	p.callID, p.cseq = "new", 0
	p.must(200, "Contact: <sip:alice@192.0.2.1:1>")
	w.wantWhere(1, "1")
}

// TestPush: the parameters of a push service stay in the Contact URI.
func TestPush(t *testing.T) {
	w := newWorld(t, nil)
	p := w.phone("alice", flow(5060, "UDP"))
	const uri = "<sip:alice@192.0.2.1:1;pn-provider=fcm;pn-param=123;pn-prid=tok:voip&tok2:remote;pn-timeout=0;pn-silent=1;transport=tls>"
	r := p.must(200, "Contact: "+uri)
	if got := r.values("Contact"); !strings.HasPrefix(got[0], uri) {
		t.Errorf("%q", got)
	}
	u := w.Lookup(1)[0].Contact
	if v, _ := u.UriParams.Get("pn-prid"); v != "tok:voip&tok2:remote" {
		t.Errorf("%v", u)
	}
	if _, ok := w.ByContact(&u); !ok {
		t.Error("ByContact does not know it")
	}
}

// TestLimit: the oldest of the same device gives way, then who is unreachable.
func TestLimit(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxContacts = 3 })
	for i := range 3 {
		w.phone("alice", flow(uint64(i+1), "TLS"), "Supported: outbound").must(200, instance(i+1, "one", fmt.Sprint(";reg-id=", i+1)))
	}
	w.phone("alice", flow(4, "TLS"), "Supported: outbound").must(200, instance(4, "one", ";reg-id=4"))
	if got := len(w.Lookup(1)); got != 3 {
		t.Errorf("%d bindings", got)
	}
	w.phone("alice", flow(5, "TLS")).must(403, instance(5, "two"))
	w.FlowClosed(flow(3, "TLS"))
	w.phone("alice", flow(5, "TLS")).must(200, instance(5, "two"))
	w.wantWhere(1, "4, 2, 5")
}

// TestRestartedOverUDP: a phone without instance that starts again and again on
// other ports does not lock its user out.
func TestRestartedOverUDP(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxContacts = 3 })
	for port := range 5 {
		w.phone("alice", flow(uint64(port+1), "UDP"), "User-Agent: A").must(200, fmt.Sprintf("Contact: <sip:alice@192.0.2.1:%d>", port+1))
	}
	w.wantWhere(1, "5, 3, 4")
	w.phone("alice", flow(9, "UDP"), "User-Agent: B").must(403, "Contact: <sip:alice@192.0.2.1:9>")
}

// TestTwoContactsOfOneInstance stay side by side, request after request.
func TestTwoContactsOfOneInstance(t *testing.T) {
	w := newWorld(t, nil)
	p := w.phone("alice", flow(1, "TLS"))
	for range 3 {
		p.must(200, instance(1, "a")+", "+strings.TrimPrefix(instance(2, "a"), "Contact: "))
		w.wantWhere(1, "1, 2")
	}
	p.must(200, instance(3, "a"))
	w.wantWhere(1, "3")
	if len(w.store.bindings) != 1 {
		t.Errorf("the store keeps %v", w.store.bindings)
	}
}

// TestGoneBeforeItWasKnown: a phone that leaves while the store is asked about
// it leaves nothing behind.
func TestGoneBeforeItWasKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.delay = time.Second
		p := w.phone("alice", flow(1, "TLS"))
		var order []string
		for _, expires := range []string{"3600", "0"} {
			in, who := p.incoming(instance(1, "a"), "Expires: "+expires)
			w.register(in, who, func(hs []sip.Header, err error) { order = append(order, expires) })
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.wantWhere(1, "")
		if fmt.Sprint(order) != "[3600 0]" {
			t.Errorf("answered %v", order)
		}
	})
}

// TestNewDevice: the answer comes after the store knows the device; a known
// device does not wait, and is written at most hourly.
func TestNewDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.store.delay = 50 * time.Millisecond
		p := w.phone("alice", flow(1, "TLS"), "User-Agent: Linphone/5.3", "Accept: text/plain, application/sdp", "Accept: message/cpim")
		begin := time.Now()
		register := func() time.Duration {
			begin = time.Now()
			p.must(200, instance(1, "a", `;+org.linphone.specs="ephemeral/1.1,groupchat/1.1"`))
			return time.Since(begin)
		}
		if d := register(); d != w.store.delay {
			t.Errorf("answered after %v", d)
		}
		d := w.Lookup(1)[0].Device
		if d.ID != 1 || d.Instance != "urn:uuid:a" || d.UserAgent != "Linphone/5.3" || fmt.Sprint(d.Accept) != "[text/plain application/sdp message/cpim]" || d.Specs != "ephemeral/1.1,groupchat/1.1" {
			t.Errorf("%+v", d)
		}
		for range 59 {
			time.Sleep(time.Minute)
			if d := register(); d != 0 {
				t.Errorf("a refresh took %v", d)
			}
		}
		synctest.Wait()
		if w.store.touched != 1 {
			t.Errorf("the device was written %d times in an hour", w.store.touched)
		}
		time.Sleep(time.Minute)
		register()
		time.Sleep(time.Second)
		synctest.Wait()
		if w.store.touched != 2 || time.Since(w.Lookup(1)[0].Device.LastSeen) > time.Minute {
			t.Errorf("written %d times, last seen %v", w.store.touched, w.Lookup(1)[0].Device.LastSeen)
		}
		p.extra[0] = "User-Agent: Linphone/5.4"
		register()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := w.Lookup(1)[0].Device.UserAgent; got != "Linphone/5.4" {
			t.Errorf("after an update it is %s", got)
		}
	})
}

// TestRevoked: a device that was shut out gets a clear answer.
func TestRevoked(t *testing.T) {
	w := newWorld(t, nil)
	p := w.phone("alice", flow(5060, "TLS"))
	p.must(200, instance(1, "a"))
	now := time.Now()
	w.store.devices[0].Revoked = &now
	w.RemoveDevice(1)
	w.wantWhere(1, "")
	if p.flow.Alive() {
		t.Error("the connection of the device is open")
	}
	if r := p.must(403, instance(1, "a")); !strings.Contains(r.err.Warning, "revoked") {
		t.Errorf("%v", r)
	}
	p.must(200, instance(2, "b"))
}

func TestStoreUnavailable(t *testing.T) {
	w := newWorld(t, nil)
	w.store.err = store.ErrUnavailable
	w.phone("alice", flow(5060, "UDP")).must(500, instance(1, "a"))
	w.store.err = nil
	w.phone("alice", flow(5060, "UDP")).must(200, instance(1, "a"))
}

// TestOnReachable: after the answer, once for each contact that was bound.
func TestOnReachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var log []string
		w.OnReachable(func(u store.UserID, d store.DeviceID) {
			t := w.Lookup(u)[0]
			log = append(log, fmt.Sprint("reachable ", d == t.Device.ID, " by ", t.Flow.ID, ", bound ", w.where(u)))
		})
		p := w.phone("alice", flow(5060, "UDP"))
		for range 2 { // a new device, a refresh
			log = nil
			in, who := p.incoming(instance(1, "a"))
			w.register(in, who, func(_ []sip.Header, _ error) { log = append(log, "answered") })
			synctest.Wait()
			if strings.Join(log, "; ") != "answered; reachable true by 5060, bound 1" {
				t.Errorf("%q", log)
			}
		}
		log = nil
		p.must(200, "Contact: *", "Expires: 0")
		p.must(200)
		if log != nil {
			t.Errorf("%q", log)
		}
	})
}
