package e2e

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// carrier is a SIPp that plays one scenario of a carrier over UDP.
type carrier struct {
	port  int
	media int
	cmd   *exec.Cmd
	dir   string
	ended chan struct{}
	err   error // of the scenario, once ended
}

// newCarrier starts to play testdata/sipp/NAME.xml on a free port; it echoes RTP.
func (s *server) newCarrier(t *testing.T, name, target string, fields ...string) *carrier {
	t.Helper()
	return s.newCarrierAt(t, freePort(t), name, target, fields...)
}

func (s *server) newCarrierAt(t *testing.T, port int, name, target string, fields ...string) *carrier {
	t.Helper()
	bin := need(t, "sipp", "sip-tester")
	c := &carrier{port: port, media: freePorts(t, 4), dir: t.TempDir(), ended: make(chan struct{})}
	csv := filepath.Join(c.dir, "fields.csv")
	if err := os.WriteFile(csv, []byte("SEQUENTIAL\n"+strings.Join(append(fields, "end"), ";")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-sf", "../../../testdata/sipp/" + name + ".xml", "-inf", csv, "-m", "1", "-t", "u1", "-i", "127.0.0.1",
		"-p", strconv.Itoa(c.port), "-mi", "127.0.0.1", "-mp", strconv.Itoa(c.media), "-rtp_echo", "-timeout", "180", "-nostdin",
		"-trace_err", "-error_file", filepath.Join(c.dir, "errors"), "-trace_msg", "-message_file", filepath.Join(c.dir, "messages")}
	if target != "" {
		args = append(args, target)
	}
	c.cmd = exec.Command(bin, args...)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.err = c.cmd.Wait(); close(c.ended) }()
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		<-c.ended
		if t.Failed() {
			t.Logf("carrier %s:\n%s\n%s", name, tail(filepath.Join(c.dir, "errors"), 20), tail(filepath.Join(c.dir, "messages"), 200))
		}
	})
	if target == "" {
		eventually(t, limit, "the carrier listens", func() bool { return isBound(t, c.port) })
	}
	return c
}

// isBound tells whether a program has a UDP port. To try it oneself might be to take
// it from the program that is about to. The first thread of the tests may be stuck in
// another network (place.do), so the thread is asked and not the process.
func isBound(t *testing.T, port int) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/udp")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(b), fmt.Sprintf(":%04X 00000000:0000 ", port))
}

func (c *carrier) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

// wantPlayed waits for the end of the scenario.
func (c *carrier) wantPlayed(t *testing.T, name string) {
	t.Helper()
	select {
	case <-c.ended:
		if c.err != nil {
			t.Errorf("the carrier's scenario %s failed: %v", name, c.err)
		}
	case <-time.After(limit):
		t.Errorf("the carrier's scenario %s did not end", name)
	}
}

// wantDigest checks the credentials of the second INVITE (RFC 7616 §3.4.1).
func (c *carrier) wantDigest(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, "messages"))
	if err != nil {
		t.Fatal(err)
	}
	_, credentials, _ := strings.Cut(string(b), "Proxy-Authorization: ")
	credentials, _, _ = strings.Cut(credentials, "\r\n")
	sum := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	get := func(name string) string { return agent.Param(credentials, name) }
	want := sum(sum("acct:carrier.example:"+secretOfTrunk) + ":" + get("nonce") + ":" + get("nc") + ":" + get("cnonce") + ":auth:" + sum("INVITE:"+get("uri")))
	if get("response") != want {
		t.Errorf("credentials: %s", credentials)
	}
}

// callRecord is what the tests read of a record.
type callRecord struct {
	ID, Direction, Dialled, Number, Reason string
	Status, Cause                          int
	EndedBy                                string `json:"ended_by"`
	Attempts                               []struct {
		Target, Trunk, Number string
		Started, Ended        time.Time
		Status                int
	}
	Quality []struct {
		Leg, Codec, Security string
		Received, Sent       int
		MOS                  float64
	}
	Answered, Ended *time.Time
	Caller, Callee  struct{ Address, Shown, Trunk string }
}

// lastCall is the newest call record.
func (s *server) lastCall(t *testing.T) callRecord {
	t.Helper()
	var all []callRecord
	out := s.sparkle(t, "call", "list", "--json")
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(all) == 0 {
		t.Fatal("there is no call record")
	}
	return all[0]
}

// endedCall is the newest call record once the call is over: the record follows
// the last BYE.
func (s *server) endedCall(t *testing.T) (r callRecord) {
	t.Helper()
	eventually(t, limit, "the record of the call is closed", func() bool {
		r = s.lastCall(t)
		return r.Ended != nil
	})
	return r
}

const secretOfTrunk = "of the trunk"

// addTrunk adds a trunk with gateways in their order, which are not probed: a
// scenario takes nothing that is not in it.
func (s *server) addTrunk(t *testing.T, name string, gateways []*carrier, flags ...string) {
	t.Helper()
	var list []map[string]any
	for i, g := range gateways {
		list = append(list, map[string]any{"name": fmt.Sprintf("g%d", i+1), "address": g.address(), "transport": "udp", "priority": i, "probe": -1})
	}
	b, err := json.Marshal(map[string]any{"gateways": list})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "trunk.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"trunk", "add", name, "--file", file, "--country", "86", "--area", "10", "--national", "0", "--international", "00", "--default", "+861055500000",
		"--inward", "+861055501003=alice", "--username", "acct", "--realm", "carrier.example", "--password-stdin", "--data", s.dir}, flags...)
	cmd := exec.Command(s.bin, args...)
	cmd.Stdin = strings.NewReader(secretOfTrunk + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sparkle %v: %v\n%s", args, err, out)
	}
}

// A call to a carrier whose first gateway is out of service: digest, early media
// acknowledged, the other gateway within four seconds, both attempts in the
// record, and the talk heard back through the relay.
func TestCallToCarrier(t *testing.T) {
	for _, first := range []string{"refuses", "silent", "absent"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			broken := &carrier{port: freePort(t)}
			switch first {
			case "refuses":
				broken = s.newCarrier(t, "carrier_refuses", "")
			case "silent":
				hole, err := net.ListenPacket("udp4", broken.address())
				if err != nil {
					t.Fatal(err)
				}
				defer hole.Close()
			}
			good := s.newCarrier(t, "carrier_answer", "")
			s.addTrunk(t, "telco", []*carrier{broken, good})
			s.callCarrier(t, good)
		})
	}
}

func (s *server) callCarrier(t *testing.T, good *carrier) {
	p := s.newTalker(t, "baresip", "alice", "tls", voice{encryption: "sdes", play: writeTone(t, callerTone)})
	p.Call(t, "001155501234@"+s.Ready.Domain)
	eventually(t, limit, "alice's call is answered", p.InCall)
	wantTone(t, p, callerTone) // her echo
	p.HangUp(t)
	good.wantPlayed(t, "carrier_answer")
	good.wantDigest(t)

	r := s.endedCall(t)
	if len(r.Attempts) != 2 {
		t.Fatalf("the record has %d attempts: %+v", len(r.Attempts), r)
	}
	a, b := r.Attempts[0], r.Attempts[1]
	if b.Status != 200 || a.Status < 400 || b.Started.Sub(a.Started) > 4*time.Second {
		t.Errorf("attempts: %+v", r.Attempts)
	}
	if r.Direction != "out" || r.Number != "+1155501234" || r.Status != 200 || r.Cause != 16 || r.EndedBy != "caller" || r.Ended == nil {
		t.Errorf("record: %+v", r)
	}
	for _, q := range r.Quality {
		if q.Received < 200 || q.MOS < 3 || (q.Leg == "caller") != (q.Security != "") {
			t.Errorf("quality: %+v", q)
		}
	}
	t.Log(s.sparkle(t, "call", "show", r.ID))
}

// A provisional response of the carrier that must be acknowledged is, from the
// user's phone to the carrier (RFC 3262).
func TestCarrierIsAcknowledged(t *testing.T) {
	s := startServer(t)
	gateway := s.newCarrier(t, "carrier_prack", "")
	s.addTrunk(t, "telco", []*carrier{gateway})
	s.newSIPp(t, "alice", "udp").run(t, "user_calls", "alice", "001155501234", s.Ready.Domain)
	gateway.wantPlayed(t, "carrier_prack")
	if r := s.endedCall(t); r.Status != 200 || r.EndedBy != "caller" || len(r.Attempts) != 1 {
		t.Errorf("record: %+v", r)
	}
}

// A carrier that wants registration, and then calls one of our numbers.
func TestCarrierRegistersAndCalls(t *testing.T) {
	s := startServer(t)
	registrar := s.newCarrier(t, "carrier_registrar", "", "acct", secretOfTrunk)
	s.addTrunk(t, "telco", []*carrier{registrar}, "--register")
	registrar.wantPlayed(t, "carrier_registrar")
	eventually(t, limit, "the trunk is registered", func() bool {
		return strings.Contains(s.sparkle(t, "trunk", "show", "telco", "--json"), `"registered":`)
	})

	alice := s.agent(t, "alice", "tls")
	rang := make(chan string, 1)
	alice.OnRequest = func(m *agent.Message) (status, body string) {
		if m.Method() == "INVITE" {
			rang <- m.Get("from") + "\n" + m.Get("p-asserted-identity") + "\n" + string(m.Body)
			return "200 OK", answerSDES(m)
		}
		return "200 OK", ""
	}
	if _, err := alice.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	// From the address of the gateway, whose scenario is over.
	calls := s.newCarrierAt(t, registrar.port, "carrier_calls", s.addr("udp"), "+8613800138000", "+861055501003", s.addr("udp"))
	select {
	case got := <-rang:
		if !strings.Contains(got, "+8613800138000") || !strings.Contains(got, "a=crypto:") {
			t.Errorf("alice's phone got %s", got)
		}
	case <-time.After(limit):
		t.Fatal("alice's phone did not ring")
	}
	calls.wantPlayed(t, "carrier_calls")
	r := s.endedCall(t)
	if r.Direction != "in" || r.Status != 200 || r.Caller.Address != "+8613800138000" || r.Caller.Trunk != "telco" || r.EndedBy != "carrier" && r.EndedBy != "caller" {
		t.Errorf("record: %+v", r)
	}
}

// The record of a call during which the server is killed is closed at the next
// start, with the cause.
func TestRecordSurvivesACrash(t *testing.T) {
	s := startServer(t)
	alice := s.agent(t, "alice", "tls")
	s.answering(t, "bob")
	if _, err := alice.Call(short(t), "bob", offerSDES); err != nil {
		t.Fatal(err)
	}
	eventually(t, limit, "the record is written", func() bool { return s.lastCall(t).Answered != nil })
	s.kill(t)
	s.start(t)
	r := s.lastCall(t)
	if r.Ended == nil || r.EndedBy != "restart" || r.Cause != 41 || r.Answered == nil {
		t.Errorf("record: %+v", r)
	}
}

// offerSDES is an offer of one encrypted stream that leads nowhere.
var offerSDES = strings.Replace(agent.SDP, "RTP/AVP 0 8 101\r\n", "RTP/SAVP 0 8 101\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n", 1)

// answering registers a user who takes every call.
func (s *server) answering(t *testing.T, user string) {
	t.Helper()
	a := s.agent(t, user, "tls")
	a.OnRequest = func(m *agent.Message) (status, body string) {
		if m.Method() == "INVITE" {
			return "200 OK", answerSDES(m)
		}
		return "200 OK", ""
	}
	if _, err := a.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
}

// answerSDES answers an offer that has the same suite.
func answerSDES(m *agent.Message) string {
	for line := range strings.Lines(string(m.Body)) {
		if tag, ok := strings.CutPrefix(line, "a=crypto:"); ok && strings.Contains(line, " AES_CM_128_HMAC_SHA1_80 ") {
			return strings.Replace(offerSDES, "a=crypto:1", "a=crypto:"+tag[:1], 1)
		}
	}
	return agent.SDP
}
