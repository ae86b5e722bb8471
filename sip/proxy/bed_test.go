package proxy

import (
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/siptest"
)

// bed is a world with the real chain, in which the proxy serves everything.
type bed struct {
	*siptest.World
	t     testing.TB
	proxy *Proxy
}

func newBed(t testing.TB, change ...func(*Config)) *bed {
	b := &bed{World: siptest.New(t), t: t}
	c := Config{Transactions: b.Layer, Flows: b, Locations: b,
		Domains: []string{"example.com"}, Secret: []byte("a secret of the test")}
	for _, f := range change {
		f(&c)
	}
	var err error
	if b.proxy, err = New(c); err != nil {
		t.Fatal(err)
	}
	b.Layer.Serve(server.New(server.Config{Domains: []string{"example.com", "192.0.2.1"}, Auth: b, Proxy: b.proxy, InDialog: b.proxy, Rate: -1}))
	return b
}

// inBed runs a test with Alice and Bob on TLS, inside a bubble of fake time.
func inBed(t *testing.T, test func(b *bed, alice, bob *siptest.Phone)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		test(b, b.Phone("alice", "tls"), b.Phone("bob", "tls"))
		b.idle()
	})
}

// idle waits until every timer has run out and checks that nothing is kept.
func (b *bed) idle() {
	b.t.Helper()
	b.Idle()
	if b.proxy.ringing.head != nil {
		b.t.Error("somebody still waits for Timer C")
	}
	if n := testutil.ToFloat64(b.proxy.metrics.open); n != 0 {
		b.t.Errorf("%v response contexts are open", n)
	}
}
