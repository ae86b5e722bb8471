package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sparkleim/sparkle/sip/wire"
)

// eachStream runs a test over TCP and over TLS.
func eachStream(t *testing.T, cfg Config, test func(t *testing.T, s *Stack, r *recorder, dial func() netConn)) {
	for _, transport := range []string{"tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			ca := newCA(t)
			cfg := cfg
			cfg.TLS = ca.serverTLS(t)
			r := newRecorder()
			s := start(t, cfg, r)
			l := listen(t, s, transport)
			test(t, s, r, func() netConn { return connect(t, l, ca) })
		})
	}
}

type netConn interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
}

func TestPipelinedMessagesKeepTheirOrder(t *testing.T) {
	const count = 1000
	eachStream(t, Config{}, func(t *testing.T, _ *Stack, r *recorder, dial func() netConn) {
		r.on = func(f *Flow, m sip.Message) {
			_ = f.Send(wire.Append(nil, wire.NewResponse(m.(*sip.Request), 200, "")))
		}
		var all strings.Builder
		for i := range count {
			all.WriteString(request(i+1, fmt.Sprintf("text %d", i)))
		}
		conn := dial()
		go func() { _, _ = io.WriteString(conn, all.String()) }()
		answers := bufio.NewReader(conn)
		for i := range count {
			if got := readMessage(t, answers); !strings.Contains(got, fmt.Sprintf("CSeq: %d MESSAGE", i+1)) {
				t.Fatalf("answer %d is %q", i, got)
			}
		}
		r.await(t, "all messages", func() bool { return len(r.messages) == count })
		for i, m := range r.messages {
			if got := string(m.Body()); got != fmt.Sprintf("text %d", i) {
				t.Fatalf("message %d is %q", i, got)
			}
		}
	})
}

func TestPingsAreAnsweredInOrder(t *testing.T) {
	eachStream(t, Config{}, func(t *testing.T, _ *Stack, r *recorder, dial func() netConn) {
		r.on = func(f *Flow, m sip.Message) { _ = f.Send(m.Body()) }
		conn := dial()
		_, _ = io.WriteString(conn, ping)
		expect(t, conn, pong)
		_, _ = io.WriteString(conn, ping+request(1, "one")+ping+ping+request(2, "two")+ping)
		expect(t, conn, pong+"one"+pong+pong+"two"+pong)
	})
}

func TestClosedIsReportedOnceAfterTheLastMessage(t *testing.T) {
	eachStream(t, Config{}, func(t *testing.T, s *Stack, r *recorder, dial func() netConn) {
		conn := dial()
		_, _ = io.WriteString(conn, request(1, "last"))
		r.await(t, "the message", func() bool { return len(r.messages) == 1 })
		f := r.lastFlow()
		if got, ok := s.Flow(f.ID); !ok || got != f || !f.Alive() {
			t.Fatal("a live flow is not found")
		}
		conn.Close()
		r.await(t, "the close", func() bool { return r.closed[f.ID] == 1 })
		if _, ok := s.Flow(f.ID); ok || f.Alive() {
			t.Error("a closed flow is found")
		}
		if err := f.Send([]byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("Send on a closed flow: %v", err)
		}
	})
}

func TestCloseWritesWhatIsQueued(t *testing.T) {
	eachStream(t, Config{}, func(t *testing.T, _ *Stack, r *recorder, dial func() netConn) {
		big := strings.Repeat("x", 200_000)
		r.on = func(f *Flow, m sip.Message) {
			_ = f.Send([]byte(big))
			f.Close("enough")
		}
		conn := dial()
		_, _ = io.WriteString(conn, request(1, ""))
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		got, err := io.ReadAll(conn)
		if err != nil || string(got) != big {
			t.Fatalf("read %d bytes, %v; want %d", len(got), err, len(big))
		}
		r.await(t, "the close", func() bool { return len(r.closed) == 1 })
	})
}

func TestSlowReaderHarmsOnlyItself(t *testing.T) {
	reg := prometheus.NewRegistry()
	r := newRecorder()
	s := start(t, Config{Metrics: reg, Limits: Limits{MaxQueue: 256 << 10}}, r)
	l := listen(t, s, "tcp")
	slow, good := connect(t, l, nil), connect(t, l, nil)
	_, _ = io.WriteString(slow, request(1, ""))
	r.await(t, "the slow peer", func() bool { return len(r.messages) == 1 })
	slowFlow := r.lastFlow()
	_, _ = io.WriteString(good, request(2, ""))
	r.await(t, "the good peer", func() bool { return len(r.messages) == 2 })
	goodFlow := r.lastFlow()

	block := make([]byte, 64<<10)
	for i := 0; ; i++ {
		err := slowFlow.Send(block)
		if errors.Is(err, ErrQueueFull) {
			break
		}
		if err != nil || i > 1000 {
			t.Fatalf("after %d blocks: %v", i, err)
		}
		_ = goodFlow.Send([]byte("ok"))
		expect(t, good, "ok")
	}
	r.await(t, "the end of the slow flow", func() bool { return r.closed[slowFlow.ID] == 1 })
	if !goodFlow.Alive() {
		t.Error("the good flow died too")
	}
	if err := s.Close(t.Context()); err != nil { // the books are complete then
		t.Error(err)
	}
	if n := counted(t, reg, "sparkle_transport_closed_total", causeQueue); n != 1 {
		t.Errorf("%v queue overflows counted", n)
	}
}

func TestMalformedIsAnsweredAndTheFlowGoesOn(t *testing.T) {
	eachStream(t, Config{}, func(t *testing.T, _ *Stack, r *recorder, dial func() netConn) {
		r.on = func(f *Flow, m sip.Message) { _ = f.Send(m.Body()) }
		conn := dial()
		bad := strings.Replace(request(1, ""), "CSeq:", "a header without a colon\r\nCSeq:", 1)
		_, _ = io.WriteString(conn, bad+request(2, "fine"))
		in := bufio.NewReader(conn)
		if got := readMessage(t, in); !strings.HasPrefix(got, "SIP/2.0 400") {
			t.Errorf("answer %q", got)
		}
		expect(t, in, "fine")
	})
}

func TestLostBoundariesAreAnsweredAndEndTheFlow(t *testing.T) {
	eachStream(t, Config{}, func(t *testing.T, _ *Stack, r *recorder, dial func() netConn) {
		conn := dial()
		bad := strings.Replace(request(1, ""), "Content-Length: 0", "Content-Length: 99999999", 1)
		go func() { _, _ = io.WriteString(conn, bad+strings.Repeat("y", 100_000)) }()
		got := expectEnd(t, conn)
		if !strings.HasPrefix(got, "SIP/2.0 413") {
			t.Errorf("answer %q", got)
		}
		conn.Close()
		r.await(t, "the close", func() bool { return len(r.closed) == 1 })
	})
}

func TestEndlessHeadIsCutOff(t *testing.T) {
	eachStream(t, Config{}, func(t *testing.T, _ *Stack, r *recorder, dial func() netConn) {
		conn := dial()
		go func() {
			_, _ = io.WriteString(conn, "MESSAGE sip:b@example.com SIP/2.0\r\n")
			for {
				if _, err := io.WriteString(conn, "X-Endless: "+strings.Repeat("z", 1000)+"\r\n"); err != nil {
					return
				}
			}
		}()
		r.await(t, "the close", func() bool { return len(r.closed) == 1 })
	})
}

func TestPanickingHandlerCostsOneFlow(t *testing.T) {
	eachStream(t, Config{}, func(t *testing.T, s *Stack, r *recorder, dial func() netConn) {
		r.on = func(f *Flow, m sip.Message) {
			if string(m.Body()) == "bomb" {
				panic("bomb")
			}
			_ = f.Send(m.Body())
		}
		victim, other := dial(), dial()
		_, _ = io.WriteString(victim, request(1, "bomb"))
		r.await(t, "the close", func() bool { return len(r.closed) == 1 })
		_, _ = io.WriteString(other, request(2, "alive"))
		expect(t, other, "alive")
	})
}
