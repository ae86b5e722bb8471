package transport

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// openWS starts an HTTP server with the handler and connects to it.
func openWS(t *testing.T, s *Stack, secure bool) *websocket.Conn {
	t.Helper()
	server := httptest.NewUnstartedServer(s.WebSocket(Spec{Name: "ws"}))
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, server.URL, &websocket.DialOptions{
		HTTPClient: server.Client(), Subprotocols: []string{"sip"},
	})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

func readWS(t *testing.T, conn *websocket.Conn) (websocket.MessageType, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	kind, b, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return kind, string(b)
}

func echoBody(f *Flow, m sip.Message) { _ = f.Send(m.Body()) }

func TestWebSocketCarriesOneMessageAFrame(t *testing.T) {
	for _, secure := range []bool{false, true} {
		r := newRecorder()
		r.on = echoBody
		s := start(t, Config{}, r)
		conn := openWS(t, s, secure)
		write := func(kind websocket.MessageType, text string) {
			t.Helper()
			if err := conn.Write(t.Context(), kind, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		want := func(kind websocket.MessageType, text string) {
			t.Helper()
			if k, got := readWS(t, conn); k != kind || got != text {
				t.Errorf("got %v %q, want %v %q", k, got, kind, text)
			}
		}
		write(websocket.MessageText, request(1, "text"))
		want(websocket.MessageText, "text")
		write(websocket.MessageBinary, request(2, "\xff\xfe"))
		want(websocket.MessageBinary, "\xff\xfe")
		write(websocket.MessageText, ping)
		want(websocket.MessageText, pong)
		write(websocket.MessageText, strings.Replace(request(3, "no length"), "Content-Length: 9\r\n", "", 1))
		want(websocket.MessageText, "no length")
		big := strings.Repeat("b", 50_000)
		write(websocket.MessageText, request(4, big))
		want(websocket.MessageText, big)

		// One message in three fragments.
		w, err := conn.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		for text := request(5, "fragmented"); len(text) > 0; {
			n := min(150, len(text))
			_, _ = w.Write([]byte(text[:n]))
			text = text[n:]
		}
		_ = w.Close()
		want(websocket.MessageText, "fragmented")

		r.await(t, "all messages", func() bool { return len(r.messages) == 5 })
		f := r.lastFlow()
		if f.Secure() != secure || (f.TLS() != nil) != secure || !f.Reliable() || f.Listener != "ws" {
			t.Errorf("flow %+v", f)
		}
		write(websocket.MessageText, "no SIP at all, and no reason to hang up")
		write(websocket.MessageText, strings.Replace(request(6, ""), "CSeq:", "no colon\r\nCSeq:", 1))
		if _, got := readWS(t, conn); !strings.HasPrefix(got, "SIP/2.0 400") {
			t.Errorf("answer %q", got)
		}
		_ = f.Send([]byte("goodbye"))
		f.Close("test")
		want(websocket.MessageText, "goodbye")
		if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("end: %v", err)
		}
		r.await(t, "the close", func() bool { return r.closed[f.ID] == 1 })
	}
}

func TestWebSocketPingKeepsTheFlow(t *testing.T) {
	r := newRecorder()
	s := start(t, Config{}, r)
	conn := openWS(t, s, true)
	_ = conn.Write(t.Context(), websocket.MessageText, []byte(request(1, "")))
	r.await(t, "the message", func() bool { return len(r.messages) == 1 })
	c := s.conns.get(r.lastFlow().ID)
	c.heard.Store(1)
	conn.CloseRead(t.Context()) // reads the pong
	if err := conn.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.heard.Load() == 1 {
		t.Error("a ping of the WebSocket does not count as life")
	}
}

func TestWebSocketMessageTooLargeEndsTheFlow(t *testing.T) {
	r := newRecorder()
	s := start(t, Config{}, r)
	conn := openWS(t, s, false)
	_ = conn.Write(t.Context(), websocket.MessageText, []byte(request(1, strings.Repeat("x", wire.MaxMessage))))
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("end: %v", err)
	}
	r.await(t, "the close", func() bool { return len(r.closed) == 1 })
}

func TestWebSocketRefusals(t *testing.T) {
	s := start(t, Config{Limits: Limits{MaxConnections: 1}, Origins: []string{"portal.example.com"}}, newRecorder())
	server := httptest.NewServer(s.WebSocket(Spec{Name: "ws"}))
	defer server.Close()
	dial := func(origin string, protocols ...string) (*websocket.Conn, int, error) {
		conn, res, err := websocket.Dial(t.Context(), server.URL, &websocket.DialOptions{
			Subprotocols: protocols, HTTPHeader: http.Header{"Origin": {origin}}})
		if res == nil {
			return conn, 0, err
		}
		return conn, res.StatusCode, err
	}
	if _, status, err := dial("https://evil.example.net", "sip"); err == nil || status != http.StatusForbidden {
		t.Errorf("a foreign origin: %d, %v", status, err)
	}
	if _, status, err := dial("https://portal.example.com", "chat"); err == nil || status != http.StatusBadRequest {
		t.Errorf("another sub-protocol: %d, %v", status, err)
	}
	good, _, err := dial("https://portal.example.com", "sip")
	if err != nil {
		t.Fatal(err)
	}
	defer good.CloseNow()
	if _, status, _ := dial("https://portal.example.com", "sip"); status != http.StatusServiceUnavailable {
		t.Errorf("over the limit: %d", status)
	}
}

// A peer that does not answer our close frame holds up the end of the server
// for two seconds only.
func TestCloseDoesNotWaitForTheCloseFrameOfAPeer(t *testing.T) {
	r := newRecorder()
	s := start(t, Config{}, r)
	conn := openWS(t, s, false) // and never reads
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(request(1, ""))); err != nil {
		t.Fatal(err)
	}
	r.await(t, "the flow", func() bool { return len(r.flows) == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}
