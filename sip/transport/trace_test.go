package transport

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestTraceShowsMessagesWithoutSecrets(t *testing.T) {
	r := newRecorder()
	r.on = func(f *Flow, m sip.Message) {
		_ = f.Send([]byte("SIP/2.0 200 OK\r\nTo: <sip:Alice@example.com>\r\n\r\n"))
	}
	s := start(t, Config{}, r)
	l := listen(t, s, "tcp")
	conn := connect(t, l, nil)
	full, stopFull := s.Trace(TraceFilter{User: "ALICE@", Bodies: true})
	heads, stopHeads := s.Trace(TraceFilter{Addr: netip.MustParseAddr("127.0.0.1")})
	defer stopHeads()
	other, stopOther := s.Trace(TraceFilter{User: "carol"})

	body := "v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRETKEY|2^20\r\nA=CRYPTO:2 x INLINE:SECRETKEY\r\n" +
		"k=clear:SECRETKEY\r\na=key-mgmt:mikey SECRETKEY\r\na=sendrecv\r\n"
	text := strings.Replace(request(1, body), "Content-Type:",
		"Authorization: Digest username=\"alice\",\r\n response=\"SECRET\"\r\nproxy-authorization : Digest SECRET\r\nX-After: shown\r\nContent-Type:", 1)
	_, _ = io.WriteString(conn, text)

	in := <-full
	for _, want := range []string{"MESSAGE sip:bob@example.com", "X-After: shown", "Authorization:(masked)", "inline:(masked)", "a=sendrecv"} {
		if !strings.Contains(in.Text, want) {
			t.Errorf("no %q in %q", want, in.Text)
		}
	}
	if strings.Contains(in.Text, "SECRET") || in.Sent || in.Transport != TCP || in.Flow == 0 {
		t.Errorf("received: %+v", in)
	}
	out := <-full
	if !out.Sent || !strings.HasPrefix(out.Text, "SIP/2.0 200") {
		t.Errorf("sent: %+v", out)
	}
	if head := <-heads; strings.Contains(head.Text, "a=sendrecv") || !strings.Contains(head.Text, "(body not shown)") {
		t.Errorf("without bodies: %+v", head)
	}
	stopFull()
	stopFull()
	if _, open := <-full; open {
		t.Error("a stopped trace goes on")
	}
	stopOther()
	if e, open := <-other; open {
		t.Errorf("another user's trace got %+v", e)
	}
}

func TestTraceEndsByItselfAndDropsForSlowReaders(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, b bubble) {
		events, stop := b.Trace(TraceFilter{For: time.Minute})
		defer stop()
		f := &Flow{Transport: UDP, stack: b.Stack}
		for range traceQueue + 5 {
			b.trace.active().offer(f, true, []byte(request(1, "")))
		}
		<-events
		b.trace.active().offer(f, true, []byte(request(2, "")))
		var last TraceEvent
		for range traceQueue {
			last = <-events
		}
		if last.Lost != 5 {
			t.Errorf("%d events reported lost, want 5", last.Lost)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, open := <-events; open || b.trace.active() != nil {
			t.Error("the trace did not end")
		}
	})
}

func FuzzMask(f *testing.F) {
	f.Add("Authorization: Digest x", "a=crypto:1 AES inline:x|2^20\r\n")
	f.Add("X: \xff\xff", "\xff\xff\xff\xff\xffa=crypto:1 inline:")
	f.Add("Proxy-Authorization:\r\n x", "k=clear:x")
	f.Fuzz(func(t *testing.T, head, body string) {
		// However a message is mangled, a key behind these words is not shown.
		text := "INVITE sip:b@example.com SIP/2.0\r\n" + head + "\r\nAuthorization: Digest SECRET\r\n\r\n" +
			body + "\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRET\r\n" + body
		if strings.Contains(head+body, "SECRET") {
			t.Skip()
		}
		if got := mask([]byte(text), true); strings.Contains(got, "SECRET") {
			t.Errorf("shown: %q", got)
		}
	})
}

func TestTraceHidesEncodedBodies(t *testing.T) {
	got := mask([]byte("INVITE sip:b@example.com SIP/2.0\r\ne: deflate\r\n\r\nSECRET"), true)
	if strings.Contains(got, "SECRET") {
		t.Errorf("got %q", got)
	}
}
