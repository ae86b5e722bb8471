package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// Messages that are too large, too long or lie about their size are refused,
// with an answer where one is owed, and nobody pays for them.
func TestOversize(t *testing.T) {
	t.Parallel()
	s := startOffice(t, nil)
	request := func(headers, body string, length int) []byte {
		b := strangersRequest("MESSAGE", "TCP", agent.NewID(), s.Ready.Domain)
		return bytes.Replace(b, []byte("Content-Length: 0\r\n\r\n"), fmt.Appendf(nil, "%sContent-Length: %d\r\n\r\n%s", headers, length, body), 1)
	}
	challenged := []int{401, 405, 407}
	for name, test := range map[string]struct {
		message []byte
		want    []int
	}{
		"body of 100 kB":       {request("", strings.Repeat("x", 100_000), 100_000), []int{413}},
		"length of 2 GB":       {request("", "x", 2_000_000_000), []int{413}},
		"length of 1e30":       {bytes.Replace(request("", "x", 77), []byte(": 77"), []byte(": 1"+strings.Repeat("0", 30)), 1), []int{400, 413}},
		"negative length":      {request("", "x", -1), []int{400}},
		"10,000 headers":       {request(strings.Repeat("X-A: b\r\n", 10_000), "", 0), []int{400, 513}},
		"3,000 Vias":           {request(strings.Repeat("Via: SIP/2.0/TCP h;branch=z9hG4bKx\r\n", 3_000), "", 0), []int{400, 513}},
		"3,000 Vias, one line": {request("Via: "+strings.Repeat("SIP/2.0/TCP h;branch=z9hG4bKx,", 600)+"SIP/2.0/TCP h;branch=z9hG4bKy\r\n", "", 0), []int{400, 401, 407}},
		"header of 1 MB":       {request("X-A: "+strings.Repeat("b", 1<<20)+"\r\n", "", 0), []int{513}},
		"URI of 1 MB":          {bytes.Replace(request("", "", 0), []byte("sip:example.test"), []byte("sip:"+strings.Repeat("a", 1<<20)), 1), []int{400, 414, 513, silence}},
		"display name nested":  {bytes.Replace(request("", "", 0), []byte("From: <"), []byte("From: "+strings.Repeat(`"\"<`, 3000)+"<"), 1), []int{400}},
		"display name of 2 kB": {bytes.Replace(request("", "", 0), []byte("From: <"), []byte(`From: "`+strings.Repeat(`\"`, 1_000)+`" <`), 1), challenged},
		"nested brackets":      {bytes.Replace(request("", "", 0), []byte("From: <"), []byte("From: "+strings.Repeat("<", 10_000)), 1), []int{400}},
		"nested quotes in parameters": {bytes.Replace(request("", "", 0), []byte("To: <sip:bob@example.test>"),
			[]byte(`To: <sip:bob@example.test>;x="`+strings.Repeat(`\\\"`, 500)+`"`), 1), challenged},
		"5,000 parameters": {bytes.Replace(request("", "", 0), []byte("To: <sip:bob@example.test>"),
			[]byte("To: <sip:bob@example.test"+strings.Repeat(";a=b", 5_000)+">"), 1), append(challenged, 400)},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			if got := s.ask(t, "tcp", test.message, slices.Contains(test.want, silence)); !slices.Contains(test.want, got) {
				t.Errorf("answered %d, want one of %v", got, test.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	s.stillServes(t)
}

// A registered user's message that is larger than the limit is refused with 413
// and his connection goes on; a body that is cut short is not taken for a
// message, and one that is too long is not taken for two.
func TestBodyLength(t *testing.T) {
	t.Parallel()
	s := startOffice(t, map[string]string{"max_size": "2000"})
	bob := s.recorder(t, "bob", "urn:uuid:00000000-0000-4000-8000-0000000000b2")
	send := func(limit time.Duration, body string, length int) (*agent.Message, error) {
		conn := &tap{Conn: s.dialFrom(t, "tls", "127.0.0.1")}
		a := s.agentOn(t, "alice", "tls", conn)
		if _, err := a.Register(short(t), 60); err != nil {
			t.Fatal(err)
		}
		conn.change = func(b []byte) []byte {
			return bytes.Replace(b, fmt.Appendf(nil, "Content-Length: %d\r\n", len(body)), fmt.Appendf(nil, "Content-Length: %d\r\n", length), 1)
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		res, err := a.Do(ctx, &agent.Request{Method: "MESSAGE", URI: "sip:bob@example.test", ContentType: "text/plain", Body: body})
		conn.Close()
		return res, err
	}
	if res, err := send(limit, strings.Repeat("x", 2001), 2001); err != nil || res.Status() != 413 {
		t.Errorf("too large: %v", err)
	}
	if res, err := send(limit, "all of it", 3); err != nil || res.Status() != 202 {
		t.Errorf("longer than it says: %v", err)
	}
	if res, err := send(time.Second, "cut short", 300); err == nil {
		t.Errorf("a body that is not all there was answered %q", res.Start)
	}
	alice := s.agent(t, "alice", "tls")
	if _, err := alice.Message(short(t), "bob", "the end"); err != nil {
		t.Fatal(err)
	}
	eventually(t, limit, "the last one comes", func() bool { return bob.has("the end") })
	bob.mu.Lock()
	defer bob.mu.Unlock()
	if !slices.Equal(bob.texts, []string{"all", "the end"}) {
		t.Errorf("bob got %q", bob.texts)
	}
}

// Headers that never end, on many connections, are cut off at their limit and
// leave no memory behind.
func TestEndlessHeaders(t *testing.T) {
	s := startOffice(t, nil)
	before := s.resident(t)
	for range 100 {
		conn := s.dialRaw(t, "tcp")
		conn.SetDeadline(time.Now().Add(limit))
		io.WriteString(conn, "MESSAGE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKendless\r\n")
		sent := 0
		for err := error(nil); err == nil && sent < 64<<20; sent += 8 << 10 {
			_, err = conn.Write(bytes.Repeat([]byte("X-Filler: 0123456789abcdef\r\n"), 8<<10/28))
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("neither read from nor closed")
			}
		}
		if sent >= 64<<20 {
			t.Fatal("64 MB of headers were read")
		}
		bufio.NewReader(conn).ReadByte()
		conn.Close()
	}
	if grown, limit := s.resident(t)-before, 32*raceFactor(); grown > limit {
		t.Errorf("%.0f MB of memory more, want at most %.0f", grown, limit)
	}
	s.stillServes(t)
}
