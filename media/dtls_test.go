package media_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/media"
)

// counter waits until a metric of an engine has at least a value.
func counter(t *testing.T, r *prometheus.Registry, name, label string, want float64) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < patience; {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.Metric {
				if f.GetName() != name || len(m.Label) > 0 && m.Label[0].GetValue() != label {
					continue
				}
				if m.GetCounter().GetValue()+m.GetGauge().GetValue() >= want {
					return
				}
			}
		}
	}
	t.Fatalf("metric %s %s never came to %v", name, label, want)
}

// TestWrongFingerprint lets somebody between phone and relay put another
// fingerprint into the answer: there are no keys.
func TestWrongFingerprint(t *testing.T) {
	metrics := prometheus.NewRegistry()
	e := newEngine(t, func(c *media.Config) { c.Metrics = metrics })
	caller, callee := newPhone(t, plainPhone, "audio"), newPhone(t, dtlsPhone)
	s := e.NewSession(nil)
	defer s.Close()
	a, b := s.NewLeg(caller.profile()), s.NewLeg(callee.profile())
	if err := a.TakeOffer(caller.offer()); err != nil {
		t.Fatal(err)
	}
	offer, err := b.MakeOffer(a)
	if err != nil {
		t.Fatal(err)
	}
	print := []byte(fingerprint(callee.cert)[8:])
	other := []byte(fingerprint(certificate(t))[8:])
	if err := b.TakeAnswer(bytes.ReplaceAll(callee.answer(offer), print, other)); err != nil {
		t.Fatal(err)
	}
	counter(t, metrics, "sparkle_media_handshakes_total", "failed", 1)
	if r := b.Report()[0]; r.Security != "DTLS" {
		t.Errorf("security %q", r.Security)
	}
}

// TestStrangersHello lets somebody else begin the handshake before the phone
// does: the phone, which is where it said, comes first, and it has the
// certificate.
func TestStrangersHello(t *testing.T) {
	e := newEngine(t)
	caller, callee := newPhone(t, sdesPhone, "audio"), newPhone(t, dtlsPhone, "audio")
	thief := newPhone(t, dtlsPhone, "audio").lines[0].media
	c := &call{t: t, engine: e, caller: caller, callee: callee, session: e.NewSession(nil)}
	defer c.session.Close()
	c.a, c.b = c.session.NewLeg(caller.profile()), c.session.NewLeg(callee.profile())
	c.session.Connect(c.a, c.b)
	if err := c.a.TakeOffer(caller.offer()); err != nil {
		t.Fatal(err)
	}
	offer, err := c.b.MakeOffer(c.a)
	if err != nil {
		t.Fatal(err)
	}
	said := parse(offer)[0]
	go thief.handshake(netip.AddrPortFrom(said.address, uint16(said.port)), said.value("fingerprint"), true)
	for _, w := range callee.lines[0].wires() {
		w.started = true // not yet
	}
	if err := c.b.TakeAnswer(callee.answer(offer)); err != nil {
		t.Fatal(err)
	}
	answer, err := c.a.MakeAnswer(c.b)
	if err != nil {
		t.Fatal(err)
	}
	caller.accept(answer)
	for begun := time.Now(); ; {
		thief.mu.Lock()
		answered := thief.taken > 0
		thief.mu.Unlock()
		if answered {
			break
		}
		if time.Since(begun) > patience {
			t.Fatal("nobody answered the stranger, who might have been the phone")
		}
	}
	for _, w := range callee.lines[0].wires() {
		w.started = false
	}
	callee.lines[0].start(said, false)
	c.secured()
	c.talk(10)
	if r := c.b.Report()[0]; r.Security != "DTLS AEAD_AES_128_GCM" {
		t.Errorf("security %q", r.Security)
	}
}

// TestPatientPhones lets phones wait for our ClientHello (setup:passive).
func TestPatientPhones(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{dtlsPhone, icePhone, webPhone} {
		f.waits = true
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, sdesPhone, "audio"), newPhone(t, f))
			c.talk(10)
		})
	}
}

// TestKeyingOfThePhone offers both keyings to phones that do one of them.
func TestKeyingOfThePhone(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{sdesPhone, gcmPhone, dtlsPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := &call{t: t, engine: e, caller: newPhone(t, plainPhone, "audio"), callee: newPhone(t, f), session: e.NewSession(nil)}
			defer c.session.Close()
			either := f.profile()
			either.Offer = media.SDES
			c.a, c.b = c.session.NewLeg(plainPhone.profile()), c.session.NewLeg(either)
			c.exchange(c.caller, c.callee, c.a, c.b)
			c.session.Connect(c.a, c.b)
			c.secured()
			c.talk(10)
			if keying := c.b.Keying(); f.dtls != (keying == media.DTLS) {
				t.Errorf("keying %v", keying)
			}
		})
	}
}

// TestNewCertificate lets a phone come back from a re-INVITE with another
// certificate, which wants a new association (RFC 8842 §4).
func TestNewCertificate(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{dtlsPhone, icePhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, f))
			c.talk(5)
			c.exchange(c.caller, c.callee, c.a, c.b) // changes nothing
			c.talk(5)
			c.caller.reborn()
			c.exchange(c.caller, c.callee, c.a, c.b)
			c.secured()
			c.talk(5)
		})
	}
}

// TestRestartOfICE changes the peer's credentials, as when it moved to another
// network: ours change, too, and the association stays.
func TestRestartOfICE(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{icePhone, webPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, f, "audio"), newPhone(t, sdesPhone))
			c.talk(5)
			before := c.caller.lines[0].media.peer
			c.caller.ufrag, c.caller.pwd = random(4), random(18)
			c.exchange(c.caller, c.callee, c.a, c.b)
			if now := c.caller.lines[0].media.peer; now == before {
				t.Error("our credentials stayed the same")
			}
			c.talk(5)
		})
	}
}

// TestForgedChecks sends connectivity checks without the password.
func TestForgedChecks(t *testing.T) {
	e := newEngine(t)
	thief := newAttacker(t)
	c := newCall(t, e, newPhone(t, icePhone, "audio"), newPhone(t, sdesPhone))
	c.talk(5)
	l := c.caller.lines[0]
	for _, integrity := range []stun.Setter{stun.NewShortTermIntegrity("guess"), stun.NewShortTermIntegrity(c.caller.pwd), stun.Fingerprint} {
		m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(l.media.peer+":"+c.caller.ufrag),
			stun.RawAttribute{Type: stun.AttrUseCandidate}, integrity)
		if err != nil {
			t.Fatal(err)
		}
		thief.send(l.remote, m.Raw)
		thief.send(l.remoteControl, m.Raw)
		thief.send(c.callee.lines[0].remote, m.Raw)
	}
	c.talk(5)
}

// TestBundle has voice and video of a browser on one port, and on two of a phone.
func TestBundle(t *testing.T) {
	e := newEngine(t)
	for _, f := range []flavour{plainPhone, sdesPhone, dtlsPhone, webPhone} {
		t.Run(f.name, func(t *testing.T) {
			c := newCall(t, e, newPhone(t, webPhone, "audio", "video"), newPhone(t, f))
			if c.caller.lines[0].remote != c.caller.lines[1].remote {
				t.Error("the lines of the browser have two ports")
			}
			c.talk(10)
		})
	}
}
