package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func TestDrainingKeepsOpenFlows(t *testing.T) {
	r := newRecorder()
	r.on = echoBody
	s := start(t, Config{}, r)
	l := listen(t, s, "tcp")
	conn := connect(t, l, nil)
	_, _ = io.WriteString(conn, request(1, "before"))
	expect(t, conn, "before")
	s.StopAccepting()
	if late, err := net.Dial("tcp", l.Addr().String()); err == nil {
		late.Close()
		t.Error("a new connection is accepted while draining")
	}
	if _, err := s.Dial(t.Context(), Hop{Transport: TCP, Addr: l.Addr()}); !errors.Is(err, ErrClosed) {
		t.Errorf("a dial while draining: %v", err)
	}
	_, _ = io.WriteString(conn, request(2, "still"))
	expect(t, conn, "still")
}

func TestCloseFlushesAndReportsEveryFlow(t *testing.T) {
	const flows = 50
	r := newRecorder()
	r.on = func(f *Flow, m sip.Message) { _ = f.Send([]byte(strings.Repeat("x", 10_000))) }
	s := start(t, Config{}, r)
	l := listen(t, s, "tcp")
	var wg sync.WaitGroup
	for i := range flows {
		conn := connect(t, l, nil)
		_, _ = io.WriteString(conn, request(i+1, ""))
		wg.Go(func() {
			if got := expectEnd(t, conn); len(got) != 10_000 {
				t.Errorf("flow %d got %d bytes", i, len(got))
			}
		})
	}
	r.await(t, "all flows", func() bool { return len(r.messages) == flows })
	if n := s.Count()[TCP]; n != flows {
		t.Errorf("%d flows counted", n)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	for id, n := range r.closed {
		if n != 1 {
			t.Errorf("flow %d is reported closed %d times", id, n)
		}
	}
	if len(r.closed) != flows || len(s.Count()) != 0 {
		t.Errorf("%d closes for %d flows, still open: %v", len(r.closed), flows, s.Count())
	}
}

func TestCloseGivesUpOnPeersThatDoNotRead(t *testing.T) {
	r := newRecorder()
	s := start(t, Config{Limits: Limits{MaxQueue: 64 << 20}}, r)
	conn := connect(t, listen(t, s, "tcp"), nil)
	_, _ = io.WriteString(conn, request(1, ""))
	r.await(t, "the flow", func() bool { return len(r.flows) == 1 })
	_ = r.lastFlow().Send(make([]byte, 32<<20))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	if len(r.closed) != 1 {
		t.Error("the close is not reported")
	}
}

func TestListenExplainsWhatIsWrong(t *testing.T) {
	s := start(t, Config{}, newRecorder())
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Transport: "sctp", Address: "127.0.0.1:0"}, "must be udp, tcp or tls"},
		{Spec{Transport: "tls", Address: "127.0.0.1:0"}, "needs a certificate"},
		{Spec{Transport: "udp", Address: "127.0.0.1"}, "missing port"},
	} {
		if _, err := s.Listen(c.spec); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.spec, err)
		}
	}
	taken := listen(t, start(t, Config{}, newRecorder()), "udp")
	if _, err := s.Listen(Spec{Transport: "udp", Address: taken.Addr().String()}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a UDP address that another server uses: %v", err)
	}
	if _, err := New(Config{TLS: TLSConfig{Certificates: []KeyPair{{"none.pem", "none.key"}}}}); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("a missing certificate: %v", err)
	}
}

// BenchmarkStream is a request and its answer on one of 32 connections.
func BenchmarkStream(b *testing.B) {
	for _, transport := range []string{"tcp", "tls"} {
		b.Run(transport, func(b *testing.B) {
			ca := newCA(b)
			answer := []byte(request(2, "answer"))
			s := start(b, Config{TLS: ca.serverTLS(b)}, benchHandler(func(f *Flow, _ sip.Message) { _ = f.Send(answer) }))
			l := listen(b, s, transport)
			text := []byte(request(1, strings.Repeat("x", 100)))
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range 32 {
				conn := connect(b, l, ca)
				wg.Go(func() {
					in := make([]byte, len(answer))
					for range b.N/32 + 1 {
						_, _ = conn.Write(text)
						if _, err := io.ReadFull(conn, in); err != nil {
							b.Error(fmt.Errorf("the server hung up: %w", err))
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
