package transport

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/sparkleim/sparkle/sip/wire"
)

// subprotocol is what both sides must speak (RFC 7118 §4.1).
const subprotocol = "sip"

// WebSocket returns the handler that makes a flow of each WebSocket with the
// sub-protocol sip (RFC 7118). Mounted on an HTTPS server it serves WSS, on a
// plain one WS. Of spec it uses the name, which its flows carry as Listener, the
// address on which the HTTP server listens, and the public host and port. Call it
// once for each name.
func (s *Stack) WebSocket(spec Spec) http.Handler {
	spec.Transport = WS
	l := &Listener{spec: spec, stack: s}
	l.addr, _ = netip.ParseAddrPort(spec.Address) // zero: Local goes by the flow
	l.host, l.port = l.sentBy()
	s.enrol(l)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			http.Error(w, "the connection has no IP address", http.StatusBadRequest)
			return
		}
		if !offersSIP(r) {
			http.Error(w, "a WebSocket with the sub-protocol sip is needed (RFC 7118)", http.StatusBadRequest)
			return
		}
		if s.refuses(from.Addr()) != "" {
			w.Header().Set("Retry-After", "10")
			http.Error(w, "too many connections, or not welcome", http.StatusServiceUnavailable)
			return
		}
		if c := s.upgrade(w, r, spec.Name); c == nil {
			s.unadmit(from.Addr())
		} else {
			s.admit(c)
			go c.serveFrames()
		}
	})
}

// offersSIP tells whether the peer wants to speak SIP (RFC 7118 §4.1). It is
// asked first: Accept would go on without any sub-protocol.
func offersSIP(r *http.Request) bool {
	for _, list := range r.Header.Values("Sec-WebSocket-Protocol") {
		for offer := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(offer), subprotocol) {
				return true
			}
		}
	}
	return false
}

// upgrade makes the WebSocket handshake. It returns nil after answering a
// request that is none.
func (s *Stack) upgrade(w http.ResponseWriter, r *http.Request, name string) *conn {
	var c *conn
	keeper := &hijackKeeper{ResponseWriter: w}
	ws, err := websocket.Accept(keeper, r, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		OriginPatterns:     s.cfg.Origins,
		InsecureSkipVerify: slices.Contains(s.cfg.Origins, "*"),
		OnPingReceived: func(context.Context, []byte) bool { // RFC 7118 §6: a keep-alive too
			c.heard.Store(nanotime())
			return true
		},
	})
	if err != nil {
		s.warn("WebSocket refused", "peer", r.RemoteAddr, "origin", r.Header.Get("Origin"), "error", err)
		return nil
	}
	ws.SetReadLimit(wire.MaxMessage)
	transport := WS
	if r.TLS != nil {
		transport = WSS
	}
	c = s.newConn(transport, name, keeper.conn, phaseFirst)
	c.ws, c.wsTLS = ws, r.TLS
	return c
}

// hijackKeeper keeps the socket below a WebSocket, so that the reaper can close
// it without waiting for anybody.
type hijackKeeper struct {
	http.ResponseWriter
	conn net.Conn
}

func (k *hijackKeeper) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(k.ResponseWriter).Hijack()
	k.conn = conn
	if tc, ok := conn.(*tls.Conn); ok {
		k.conn = tc.NetConn() // closing tc would wait for a peer that does not read
	}
	return conn, rw, err
}

// serveFrames reads a WebSocket to its end: one message a WebSocket message,
// text or binary (RFC 7118 §5).
func (c *conn) serveFrames() {
	defer c.ended()
	for {
		_, r, err := c.ws.Reader(context.Background())
		if err != nil {
			return
		}
		b, err := c.readFrame(r)
		if err != nil || !c.takeFrame(b) {
			return
		}
	}
}

// readFrame reads one WebSocket message, however many frames it comes in. A
// frame that has begun must be complete in time like any message.
func (c *conn) readFrame(r io.Reader) ([]byte, error) {
	c.begun.Store(nanotime())
	defer c.begun.Store(0)
	return io.ReadAll(r)
}

// takeFrame hands on the message in b. It returns false when nothing more is to
// be read.
func (c *conn) takeFrame(b []byte) bool {
	c.noteBytes(len(b))
	if !c.open() {
		return false
	}
	if !hasText(b) {
		c.answerPings(bytes.Count(b, []byte(ping)))
		return true
	}
	m, err := wire.Parse(b)
	if err != nil {
		c.refuse(err) // its frame says where the next message begins
		return c.open()
	}
	c.received(m)
	return c.open()
}

// writeFrames puts each message of a batch into a frame of its own: text when it
// is UTF-8, else binary (RFC 7118 §5.1).
func (c *conn) writeFrames(batch *chunk) error {
	begin := 0
	for _, end := range batch.ends {
		b := batch.bytes[begin:end]
		begin = end
		kind := websocket.MessageBinary
		if utf8.Valid(b) {
			kind = websocket.MessageText
		}
		c.writing.Store(nanotime())
		err := c.ws.Write(context.Background(), kind, b)
		c.writing.Store(0)
		if err != nil {
			return err
		}
		c.counters.bytesOut.Add(float64(len(b)))
	}
	return nil
}
