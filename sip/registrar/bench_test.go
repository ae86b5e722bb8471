package registrar

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// registerOf makes a REGISTER as Linphone sends it.
func registerOf(t testing.TB, user string, port, cseq int) *transaction.Incoming {
	text := strings.ReplaceAll(fmt.Sprintf(`REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/TLS 192.0.2.1:%[2]d;branch=z9hG4bK.%[3]d;rport
From: <sip:%[1]s@example.com>;tag=aGJ4NDUtq
To: <sip:%[1]s@example.com>
CSeq: %[3]d REGISTER
Call-ID: 3Bb9f-%[1]s-%[2]d
Max-Forwards: 70
Supported: replaces, outbound, gruu, path
Accept: application/sdp
Accept: text/plain
Accept: application/vnd.gsma.rcs-ft-http+xml
Contact: <sip:%[1]s@192.0.2.1:%[2]d;transport=tls>;+sip.instance="<urn:uuid:de6285c3-7f19-0020-b18c-%012[2]d>";+org.linphone.specs="ephemeral/1.1,groupchat/1.1"
Expires: 3600
User-Agent: LinphoneAndroid/5.2.3 (Pixel 7) LinphoneSDK/5.3.12
Content-Length: 0

`, user, port, cseq), "\n", "\r\n")
	m, err := wire.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	req := m.(*sip.Request)
	core, e := wire.Examine(req)
	if e != nil {
		t.Fatal(e)
	}
	return &transaction.Incoming{Request: req, Core: core, Flow: flow(uint64(port), "TLS")}
}

// BenchmarkRefresh is a REGISTER that changes nothing but the time.
func BenchmarkRefresh(b *testing.B) {
	w := newWorld(b, nil)
	who := auth.Identity{User: 1, Username: "alice", Domain: domain}
	in := registerOf(b, "alice", 5061, 1)
	done := make(chan error, 1)
	w.register(in, who, func(_ []sip.Header, err error) { done <- err })
	<-done
	b.ReportAllocs()
	for b.Loop() {
		in.CSeq++
		w.register(in, who, func(_ []sip.Header, err error) { done <- err })
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLookup finds the device of a user.
func BenchmarkLookup(b *testing.B) {
	w := newWorld(b, nil)
	w.phone("alice", flow(1, "TLS")).must(200, instance(1, "a"))
	b.ReportAllocs()
	for b.Loop() {
		if len(w.Lookup(1)) != 1 {
			b.Fatal("not found")
		}
	}
}

// TestMemory: what a registered device costs, without its flow and the message
// that it came in.
func TestMemory(t *testing.T) {
	const users, limit = 20_000, 1000
	w := newWorld(t, nil)
	flows := make([]*transport.Flow, users)
	for i := range flows {
		flows[i] = flow(uint64(i+1), "TLS")
	}
	before := heap()
	for i, f := range flows {
		in := registerOf(t, fmt.Sprint("user", i), i+1, 1)
		in.Flow = f
		who := auth.Identity{User: store.UserID(i + 1), Username: fmt.Sprint("user", i), Domain: domain}
		done := make(chan error, 1)
		w.register(in, who, func(_ []sip.Header, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	w.store.devices, w.store.bindings = nil, nil
	each := (heap() - before) / users
	t.Logf("%d bytes a binding", each)
	if each > limit {
		t.Errorf("%d bytes a binding, want at most %d", each, limit)
	}
	runtime.KeepAlive(w)
	runtime.KeepAlive(flows)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
