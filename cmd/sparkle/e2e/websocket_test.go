package e2e

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// dialWebSocket opens a SIP WebSocket (RFC 7118) to the server's HTTPS port.
func (s *server) dialWebSocket(t *testing.T) net.Conn {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	ws, res, err := websocket.Dial(t.Context(), "wss://"+s.addr("https")+"/sip", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"sip"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Header.Get("Sec-WebSocket-Protocol"); got != "sip" {
		t.Errorf("the sub-protocol is %q", got)
	}
	ws.SetReadLimit(1 << 20)
	return browser{websocket.NetConn(t.Context(), ws, websocket.MessageText)}
}

// browser is a connection that does not know its own address.
type browser struct{ net.Conn }

func (browser) LocalAddr() net.Addr { return invalidAddr{} }

// invalidAddr is what a browser writes for its address (RFC 7118 §5).
type invalidAddr struct{}

func (invalidAddr) Network() string { return "websocket" }
func (invalidAddr) String() string  { return "df7jal23ls0d.invalid" }

// A browser on a WebSocket and a phone on TLS write to each other, many times
// and in order; when the browser is gone what is written waits for it.
func TestChatOverWebSocket(t *testing.T) {
	s := startServer(t)
	const n = 100
	web, phone := s.agentOn(t, "alice", "wss", s.dialWebSocket(t)), s.agent(t, "bob", "tls")
	web.Instance = "urn:uuid:00000000-0000-4000-8000-00000000003b"
	got := map[*agent.Agent]chan string{web: make(chan string, 2*n), phone: make(chan string, 2*n)}
	for a, texts := range got {
		a.OnRequest = func(m *agent.Message) (string, string) {
			texts <- string(m.Body)
			return "200 OK", ""
		}
		if _, err := a.Register(short(t), 600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		for a, to := range map[*agent.Agent]string{web: "bob", phone: "alice"} {
			if err := a.Post(&agent.Request{Method: "MESSAGE", URI: "sip:" + to + "@" + s.Ready.Domain, ContentType: "text/plain", Body: strconv.Itoa(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for a, texts := range got {
		var order []string
		for len(order) < n {
			select {
			case text := <-texts:
				order = append(order, text)
			case <-time.After(limit):
				t.Fatalf("%s got %d of %d", a.User, len(order), n)
			}
		}
		for i, text := range order {
			if text != strconv.Itoa(i) {
				t.Errorf("%s: place %d has %s", a.User, i, text)
				break
			}
		}
	}

	web.Close()
	eventually(t, limit, "the end of the connection is seen", func() bool {
		return s.metric(t, `sparkle_transport_connections{transport="WSS"}`)+s.metric(t, `sparkle_transport_connections{transport="WS"}`) == 0
	})
	if _, err := phone.Message(short(t), "alice", "for later"); err != nil {
		t.Fatal(err)
	}
	again := s.agentOn(t, "alice", "wss", s.dialWebSocket(t))
	again.Instance = web.Instance
	again.OnRequest = func(m *agent.Message) (string, string) {
		got[web] <- string(m.Body)
		return "200 OK", ""
	}
	if _, err := again.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	eventually(t, limit, "what waited is delivered", func() bool { return slices.Contains(drained(got[web]), "for later") })
}

// drained takes what is in a channel.
func drained(c <-chan string) (all []string) {
	for {
		select {
		case s := <-c:
			all = append(all, s)
		default:
			return all
		}
	}
}

// What is no SIP WebSocket is refused with the reason.
func TestWebSocketWithoutSIP(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for name, protocols := range map[string][]string{"none": nil, "other": {"xmpp"}} {
		_, res, err := websocket.Dial(t.Context(), "wss://"+s.addr("https")+"/sip", &websocket.DialOptions{HTTPClient: client, Subprotocols: protocols})
		if err == nil || res == nil || res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	web := s.dialWebSocket(t)
	if _, err := web.Write([]byte(strings.Repeat("x", 200_000))); err == nil {
		ended(t, web, "a frame of 200 kB")
	}
	s.stillServes(t)
}
