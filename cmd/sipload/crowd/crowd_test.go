//go:build linux

package crowd

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

const patience = 10 * time.Second

// listen makes a server for a test, and a crowd that goes to it.
func listen(t *testing.T) (net.PacketConn, net.Listener, *Crowd, chan string) {
	t.Helper()
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	texts := make(chan string, 10)
	c := New(Config{
		Server: map[string]string{"udp": udp.LocalAddr().String(), "tcp": tcp.Addr().String()},
		Domain: "bench.example",
		OnMessage: func(p *Phone, m Message) {
			texts <- fmt.Sprintf("%s got %s %s: %s", p.User, m.ID, m.CallID, m.Body)
		},
	})
	t.Cleanup(func() {
		c.Close()
		udp.Close()
		tcp.Close()
	})
	return udp, tcp, c, texts
}

// add adds a phone, which the server must let in meanwhile.
func add(c *Crowd, s Setup) chan error {
	added := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := c.Add(ctx, s)
		added <- err
	}()
	return added
}

// ok is the server's answer to a request.
func ok(m *agent.Message) []byte {
	return wire("SIP/2.0 200 OK", "Via: "+m.Get("via"), "From: "+m.Get("from"), "To: "+m.Get("to")+";tag=s", "Call-ID: "+m.Get("call-id"), "CSeq: "+m.Get("cseq"), "Content-Length: 0")
}

// text is a MESSAGE to a phone.
func text(uri, id, body string) []byte {
	return append(wire("MESSAGE "+uri+" SIP/2.0", "Via: SIP/2.0/X s;branch=z9hG4bK"+id, "From: <sip:team@bench.example>;tag=f", "To: <sip:x@bench.example>",
		"Call-ID: "+id, "CSeq: 1 MESSAGE", "Sparkle-Id: a1", fmt.Sprintf("Content-Length: %d", len(body))), body...)
}

func want(t *testing.T, texts chan string, all ...string) {
	t.Helper()
	for _, w := range all {
		select {
		case got := <-texts:
			if got != w {
				t.Errorf("%s, want %s", got, w)
			}
		case <-time.After(patience):
			t.Fatalf("nothing comes, want %s", w)
		}
	}
}

// Phones over UDP have addresses of their own, though they share a socket.
func TestDatagrams(t *testing.T) {
	server, _, c, texts := listen(t)
	server.SetDeadline(time.Now().Add(patience))
	buf := make([]byte, 1<<16)
	from := map[string]net.Addr{}
	contact := map[string]string{}
	for i, user := range []string{"u0", "u1"} {
		added := add(c, Setup{User: user, Transport: "udp", Number: i})
		n, addr, err := server.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		m, err := agent.ParseDatagram(buf[:n])
		if err != nil || m.Method() != "REGISTER" {
			t.Fatalf("the phone sent %q: %v", buf[:n], err)
		}
		if want := fmt.Sprintf("127.1.0.%d", i); !strings.HasPrefix(addr.String(), want+":") || !strings.Contains(m.Get("contact"), "@"+addr.String()) {
			t.Errorf("%s registers %s from %s, want %s", user, m.Get("contact"), addr, want)
		}
		from[user], contact[user] = addr, agent.URIOf(m.Get("contact"))
		server.WriteTo(ok(m), addr)
		if err := <-added; err != nil {
			t.Fatal(err)
		}
	}
	for _, user := range []string{"u1", "u0"} {
		server.WriteTo(text(contact[user], "id-"+user, "hello"), from[user])
		want(t, texts, user+" got a1 id-"+user+": hello")
		n, addr, err := server.ReadFrom(buf)
		if err != nil || addr.String() != from[user].String() || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 200 ") {
			t.Errorf("%s answered %q from %s: %v", user, buf[:n], addr, err)
		}
	}
}

// accept takes a connection and lets its phone register.
func accept(t *testing.T, server net.Listener) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	r := bufio.NewReader(conn)
	m, err := agent.ReadMessage(r)
	if err != nil || m.Method() != "REGISTER" {
		t.Fatalf("the phone sent %v: %v", m, err)
	}
	conn.Write(ok(m))
	return conn, r
}

// A phone takes messages however the stream is cut, and comes back when it ends.
func TestStream(t *testing.T) {
	_, server, c, texts := listen(t)
	added := add(c, Setup{User: "u2", Transport: "tcp", Number: 2})
	conn, answers := accept(t, server)
	if err := <-added; err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 10000)
	all := append(append([]byte("\r\n\r\n"), text("sip:u2@x", "1", "one")...), text("sip:u2@x", "2", long)...)
	for len(all) > 0 {
		n := min(len(all), 700)
		conn.Write(all[:n])
		all = all[n:]
	}
	want(t, texts, "u2 got a1 1: one", "u2 got a1 2: "+long)
	for i := range 2 {
		if m, err := agent.ReadMessage(answers); err != nil || m.Status() != 200 || m.Get("call-id") != fmt.Sprint(i+1) {
			t.Errorf("answer %v, %v", m, err)
		}
	}
	conn.Close()
	conn, _ = accept(t, server)
	conn.Write(text("sip:u2@x", "3", "again"))
	want(t, texts, "u2 got a1 3: again")
}

// A room device takes the INVITE of a focus and asks for the members.
func TestRoom(t *testing.T) {
	_, server, c, _ := listen(t)
	added := add(c, Setup{User: "u3", Transport: "tcp", Number: 3, Room: true})
	conn, r := accept(t, server)
	if err := <-added; err != nil {
		t.Fatal(err)
	}
	conn.Write(wire("INVITE sip:u3@bench.example;gr=x SIP/2.0", "Via: SIP/2.0/TCP s;branch=z9hG4bKi", "From: <sip:team@bench.example>;tag=f",
		"To: <sip:u3@bench.example;gr=x>", "Call-ID: i", "CSeq: 1 INVITE", "Contact: <sip:team@bench.example>;isfocus;text", "Content-Length: 0"))
	seen := map[string]bool{}
	for range 2 {
		m, err := agent.ReadMessage(r)
		switch {
		case err != nil:
			t.Fatal(err)
		case m.Status() == 200:
			seen["answer"] = strings.Contains(m.Get("contact"), ";gr=urn:uuid:") && agent.Param(m.Get("to"), "tag") != ""
		case m.Method() == "SUBSCRIBE":
			seen["subscribe"] = m.URI() == "sip:team@bench.example" && m.Get("event") == "conference" && strings.Contains(m.Get("from"), ";gr=urn:uuid:")
			conn.Write(ok(m))
		}
	}
	if !seen["answer"] || !seen["subscribe"] || c.Joined() != 1 {
		t.Errorf("seen %v, %d joined", seen, c.Joined())
	}
}
