package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// refused are the answers to a description that cannot be used.
var refused = []int{400, 413, 415, 488}

// anyAnswer is one to a description of which something may be usable.
var anyAnswer = append([]int{200, 486}, refused...)

// mangle are changes of a description that was good, of one audio line with a key,
// and what is answered to it. used is a port that a call has.
func (s *server) mangle(used int) map[string]struct {
	change func(string) string
	want   []int
} {
	replace := func(old, new string) func(string) string {
		return func(offer string) string { return strings.ReplaceAll(offer, old, new) }
	}
	address := func(a string) func(string) string { return replace("c=IN IP4 127.0.0.1", "c=IN "+a) }
	more := func(line string) func(string) string {
		return func(offer string) string { return offer + line + "\r\n" }
	}
	port := func(n int) func(string) string {
		return func(offer string) string {
			return audioLine.ReplaceAllString(offer, fmt.Sprintf("m=audio %d $2 ", n))
		}
	}
	crypto := func(new string) func(string) string {
		return func(offer string) string {
			return cryptoLine.ReplaceAllLiteralString(offer, new)
		}
	}
	const key = "AES_CM_128_HMAC_SHA1_80 inline:"
	return map[string]struct {
		change func(string) string
		want   []int
	}{
		"metadata service":             {address("IP4 169.254.169.254"), refused},
		"multicast":                    {address("IP4 224.0.0.1"), refused},
		"multicast with a TTL":         {address("IP4 224.2.1.1/127"), refused},
		"broadcast":                    {address("IP4 255.255.255.255"), refused},
		"this network":                 {address("IP4 0.1.2.3"), refused},
		"link-local":                   {address("IP6 fe80::1"), refused},
		"multicast of IPv6":            {address("IP6 ff02::1"), refused},
		"metadata service of IPv6":     {address("IP6 fd00:ec2::254"), refused},
		"mapped metadata service":      {address("IP6 ::ffff:169.254.169.254"), refused},
		"no address":                   {address("IP4 nowhere"), anyAnswer},
		"name of this host":            {address("IP4 localhost"), anyAnswer},
		"unspecified":                  {address("IP4 0.0.0.0"), anyAnswer}, // hold as in RFC 2543
		"RTCP at the metadata service": {more("a=rtcp:80 IN IP4 169.254.169.254"), refused},
		"candidates of all sorts": {more("a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n" +
			"a=candidate:1 1 udp 1 169.254.169.254 80 typ host\r\na=candidate:1 1 udp 1 224.0.0.1 80 typ host\r\na=candidate:x\r\na=candidate:1 1 udp 99999999999 1.2.3.4 99999 typ host"), anyAnswer},
		"our SIP port":               {port(s.port), refused},
		"our TLS port":               {port(s.port + 1), refused},
		"our HTTPS port":             {port(s.port + 2), refused},
		"our metrics port":           {port(s.port + 3), refused},
		"a media port of ours":       {port(used), refused},
		"its RTCP port":              {port(used + 1), refused},
		"RTCP at a media port":       {more(fmt.Sprintf("a=rtcp:%d", used)), refused},
		"port 0":                     {port(0), refused},
		"port 99999":                 {port(99999), refused},
		"negative port":              {port(-1), refused},
		"33 m-lines":                 {more(strings.Repeat("m=audio 9 RTP/SAVP 0\r\n", 33)), refused},
		"2,000 m-lines":              {more(strings.Repeat("m=audio 9 RTP/SAVP 0\r\n", 2000)), refused},
		"10,000 m-lines":             {more(strings.Repeat("m=a 9 x 0\r\n", 10_000)), refused},
		"1,000 attributes":           {more(strings.Repeat("a=x:y\r\n", 1000)), refused},
		"1,000 formats":              {replace(" 0\r\n", " 0"+strings.Repeat(" 1", 1000)+"\r\n"), anyAnswer},
		"unknown transport":          {replace("RTP/SAVP", "FOO/BAR"), refused},
		"TCP":                        {replace("RTP/SAVP", "TCP/RTP/SAVP"), refused},
		"MSRP":                       {strings.NewReplacer("m=audio", "m=message", "RTP/SAVP 0", "TCP/MSRP *").Replace, refused},
		"SCTP":                       {replace("RTP/SAVP 0", "UDP/DTLS/SCTP webrtc-datachannel"), refused},
		"no transport":               {replace(" RTP/SAVP 0", ""), refused},
		"no formats":                 {replace("RTP/SAVP 0", "RTP/SAVP"), refused},
		"plain":                      {replace("RTP/SAVP", "RTP/AVP"), anyAnswer}, // with keys: RFC 8643
		"plain without keys":         {crypto("a=x"), refused},
		"key of no base64":           {crypto("a=crypto:1 " + key + "%%%%"), refused},
		"short key":                  {crypto("a=crypto:1 " + key + "AAAA"), refused},
		"long key":                   {crypto("a=crypto:1 " + key + strings.Repeat("A", 40_000)), refused},
		"two keys":                   {crypto("a=crypto:1 " + key + strings.Repeat("A", 40) + ";inline:" + strings.Repeat("B", 40)), anyAnswer},
		"absurd lifetime":            {crypto("a=crypto:1 " + key + strings.Repeat("A", 40) + "|2^999|1:9999"), anyAnswer},
		"unknown suite":              {replace(suite, "NULL_HMAC_SHA1_80"), refused},
		"unencrypted":                {crypto("a=crypto:1 " + key + strings.Repeat("A", 40) + " UNENCRYPTED_SRTP"), refused},
		"crypto without tag":         {crypto("a=crypto: " + key), refused},
		"broken rtpmap":              {more("a=rtpmap:\r\na=rtpmap:0\r\na=rtpmap:999999999999999999999 x/y/z\r\na=rtpmap:0 /\r\na=rtpmap:-1 PCMU/8000\r\na=rtpmap:0 PCMU/99999999999999999999/9999999999"), anyAnswer},
		"broken fmtp":                {more("a=fmtp:\r\na=fmtp:0\r\na=fmtp:0 ;;;===;;\r\na=fmtp:999 x\r\na=fmtp:0 " + strings.Repeat("x=y;", 5000)), anyAnswer},
		"broken fingerprint":         {more("a=fingerprint:\r\na=fingerprint:sha-256\r\na=fingerprint:sha-256 ZZ\r\na=setup:both"), anyAnswer},
		"broken time and origin":     {replace("o=- 1 ", "o=\x01\x02\xff 99999999999999999999999999 "), anyAnswer},
		"line of 60,000 characters":  {more("a=x:" + strings.Repeat("y", 60_000)), anyAnswer},
		"line of 200,000 characters": {more("a=x:" + strings.Repeat("y", 200_000)), refused},
		"NUL":                        {more("a=x:\x00"), refused},
		"no line end":                {replace("\r\n", " "), refused},
		"only line ends":             {func(string) string { return strings.Repeat("\r\n", 5000) }, refused},
		"noise":                      {func(string) string { return string(random(3000)) }, refused},
		"no SDP":                     {func(string) string { return "<xml/>" }, refused},
	}
}

// Descriptions that lie and descriptions that are none, in an INVITE, a re-INVITE
// and an answer: they are refused, calls go on as before them, and no port is kept.
func TestHostileDescriptions(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"requests_per_address": "0"}
	mediaPorts(settings, 1000)
	s := startOffice(t, settings)
	alice, bob, carol := s.newSpeaker(t, "alice", "tls", true), s.newSpeaker(t, "bob", "tls", true), s.newSpeaker(t, "carol", "tls", true)
	d := alice.call(t, "bob")
	talk(t, alice, bob)
	ports := s.metric(t, `sparkle_media_ports{state="used"}`)
	mangled := s.mangle(int(alice.remote().Port()))

	for name, m := range mangled {
		t.Run("offered/"+name, func(t *testing.T) {
			caller := s.agent(t, "carol", "tls") // one of its own: what is too large ends a connection
			res, err := caller.Do(short(t), &agent.Request{Method: "INVITE", URI: "sip:nobody@example.test", ContentType: "application/sdp", Body: "x"})
			if err != nil || res.Status() != 404 {
				t.Fatalf("%v %v", res, err) // proves who it is
			}
			offered := m.change(carol.offer())
			dialog, err := caller.Call(short(t), "bob", offered)
			got := statusOf(err)
			if err == nil {
				got = 200
				dialog.Bye(short(t))
			}
			// What is too large may end the connection, even while it is being sent.
			cut := len(offered) > 60_000 && got == 0 && !errors.Is(err, context.DeadlineExceeded)
			if !cut && !slices.Contains(m.want, got) {
				t.Errorf("answered %d (%v), want one of %v", got, err, m.want)
			}
		})
	}
	for name, m := range mangled {
		if len(m.change(alice.offer())) > 50_000 {
			continue // ends the connection, as above
		}
		t.Run("offered again/"+name, func(t *testing.T) {
			res, err := d.Do(short(t), &agent.Request{Method: "INVITE", ContentType: "application/sdp", Body: m.change(alice.offer())})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(append(m.want, 200), res.Status()) || res.Status() == 200 && m.want[0] != 200 && live(string(res.Body)) {
				t.Errorf("answered %q", res.Start)
			}
		})
	}
	alice.again(t, d, "sendrecv")
	talk(t, alice, bob)

	if _, err := carol.Register(short(t), 0); err != nil {
		t.Fatal(err) // from now on others answer for her
	}
	for name, m := range mangled {
		said := m.change(carol.offer())
		if len(said) > 50_000 {
			continue // it ends the connection
		}
		t.Run("answered/"+name, func(t *testing.T) {
			ended := make(chan struct{}, 1)
			phone := s.agent(t, "carol", "tls")
			phone.Handle(func(r *agent.Message) (string, string) {
				switch r.Method() {
				case "INVITE":
					tag := cryptoLine.FindStringSubmatch(string(r.Body))
					if tag == nil {
						return "488 Not Acceptable Here", ""
					}
					return "200 OK", strings.Replace(said, "a=crypto:1 ", "a=crypto:"+tag[1]+" ", 1)
				case "BYE":
					ended <- struct{}{}
				}
				return "200 OK", ""
			})
			if _, err := phone.Register(short(t), 600); err != nil {
				t.Fatal(err)
			}
			defer phone.Register(short(t), 0)
			caller := s.agent(t, "bob", "tls")
			dialog, err := caller.Call(short(t), "carol", bob.offer())
			if err == nil {
				dialog.Bye(short(t))
			}
			got := statusOf(err)
			if m.want[0] != 200 && err == nil && live(string(dialog.Answer)) {
				t.Errorf("the answer was taken: the caller got\n%s", dialog.Answer)
			}
			if err != nil && got < 400 {
				t.Errorf("%v", err)
			}
			select {
			case <-ended:
			case <-short(t).Done():
				t.Error("the phone was not told that the call is over")
			}
		})
	}
	if _, err := carol.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	for name, m := range mangled {
		said := m.change(carol.offer())
		if len(said) > 50_000 {
			continue // it ends the connection
		}
		t.Run("early/"+name, func(t *testing.T) {
			carol.before(func(r *agent.Message) { carol.Write(carol.Response(r, "183 Session Progress", said)) })
			defer carol.before(nil)
			dialog, err := bob.Agent.Call(short(t), "carol", bob.offer()) // whom the final answer saves
			if err != nil || !live(string(dialog.Answer)) {
				t.Fatal(err)
			}
			if err := dialog.Bye(short(t)); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("no answer to our offer", func(t *testing.T) {
		var ended atomic.Int32
		for _, p := range []*speaker{bob, carol} {
			defer p.Handle(p.request)
			p.Handle(func(m *agent.Message) (string, string) {
				if m.Method() == "BYE" {
					ended.Add(1)
				}
				return p.request(m)
			})
		}
		dialog, err := bob.Invite(short(t), &agent.Request{URI: "sip:carol@example.test"}) // its ACK has no answer
		if err != nil || !live(string(dialog.Answer)) {
			t.Fatal(err)
		}
		eventually(t, limit, "both are told that the call is over", func() bool { return ended.Load() == 2 })
	})
	talk(t, alice, bob)
	eventually(t, limit, "only the ports of the call are in use", func() bool { return s.metric(t, `sparkle_media_ports{state="used"}`) == ports })
	if err := d.Bye(short(t)); err != nil {
		t.Error(err)
	}
	s.allReturned(t)
	s.unharmed(t)
}

var liveLine = regexp.MustCompile(`(?m)^m=\S+ [1-9]`)

// live tells whether a description has a line with a port.
func live(text string) bool { return liveLine.MatchString(text) }

var answered = regexp.MustCompile(`answered "SIP/2.0 (\d+)`)

// statusOf is the status that an agent's error tells, 0 for another error.
func statusOf(err error) (status int) {
	if err != nil {
		if m := answered.FindStringSubmatch(err.Error()); m != nil {
			fmt.Sscan(m[1], &status)
		}
	}
	return status
}

// unharmed looks for signs that something inside went wrong.
func (s *server) unharmed(t *testing.T) {
	t.Helper()
	if n := s.metric(t, "sparkle_media_failures_total"); n != 0 {
		t.Errorf("%v sessions failed", n)
	}
	log, err := os.ReadFile(s.log.Name())
	if err != nil || strings.Contains(string(log), "panic") || strings.Contains(string(log), "level=ERROR") {
		t.Errorf("the log tells of an error: %v", err)
	}
}

// A description may be one of several parts. One that is hidden in another part,
// or beside the first, would pass unread.
func TestDescriptionsInParts(t *testing.T) {
	t.Parallel()
	settings := map[string]string{}
	mediaPorts(settings, 100)
	s := startOffice(t, settings)
	alice, bob := s.newSpeaker(t, "alice", "tls", true), s.newSpeaker(t, "bob", "tls", true)
	part := func(kind, text string) string { return "--b\r\nContent-Type: " + kind + "\r\n\r\n" + text + "\r\n" }
	const sdp, mixed = "application/sdp", "multipart/mixed;boundary=b"
	for name, body := range map[string]struct {
		kind, text string
		want       []int
	}{
		"beside a text":         {mixed, part("text/plain", "hello") + part(sdp, alice.offer()) + "--b--\r\n", []int{200}},
		"twice":                 {mixed, part(sdp, alice.offer()) + part(sdp, alice.offer()) + "--b--\r\n", refused},
		"first one empty":       {mixed, part(sdp, "") + part(sdp, alice.offer()) + "--b--\r\n", refused},
		"within a part":         {mixed, part("multipart/alternative;boundary=c", "--c\r\nContent-Type: "+sdp+"\r\n\r\n"+alice.offer()+"\r\n--c--") + "--b--\r\n", refused},
		"beside and within":     {mixed, part(sdp, alice.offer()) + part("multipart/alternative;boundary=c", "--c\r\nContent-Type: "+sdp+"\r\n\r\n"+alice.offer()+"\r\n--c--") + "--b--\r\n", refused},
		"in other letters":      {mixed, part(sdp, alice.offer()) + part("Application/SDP ; x=y", alice.offer()) + "--b--\r\n", refused},
		"in base64":             {mixed, part(sdp+"\r\nContent-Transfer-Encoding: base64", "dj0w") + "--b--\r\n", refused},
		"without the last line": {mixed, part(sdp, alice.offer()), refused},
		"without a boundary":    {"multipart/mixed", part(sdp, alice.offer()) + "--b--\r\n", refused},
		"many parts":            {mixed, strings.Repeat(part("text/plain", ""), 1500) + part(sdp, alice.offer()) + "--b--\r\n", anyAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(bob.described())
			d, err := alice.Invite(short(t), &agent.Request{URI: "sip:bob@example.test", ContentType: body.kind, Body: body.text})
			got := statusOf(err)
			if err == nil {
				got = 200
				d.Bye(short(t))
			}
			if !slices.Contains(body.want, got) {
				t.Errorf("answered %d (%v), want one of %v", got, err, body.want)
			}
			for _, text := range bob.described()[before:] {
				if strings.Contains(text, alice.keys[0]) || strings.Contains(text, fmt.Sprint("m=audio ", portOf(alice.rtp), " ")) {
					t.Errorf("a description went past the relay:\n%s", text)
				}
			}
		})
	}
	s.unharmed(t)
}

// described are all descriptions that came.
func (p *speaker) described() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.offers)
}

// A storm of offers and answers as real phones write them, with random changes:
// whatever comes of each, nothing is left behind, and a normal call works.
func TestDescriptionStorm(t *testing.T) {
	t.Parallel()
	// Media has the whole range of a new server: a pair rests before it is used again.
	s := startOffice(t, map[string]string{"requests_per_address": "0", "srtp": `"prefer"`})
	files, err := filepath.Glob("../../../media/sdp/testdata/*.sdp")
	if err != nil || len(files) < 10 {
		t.Fatal(err, files)
	}
	var samples []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, string(b))
	}
	callee := s.agent(t, "bob", "tls")
	noise := rand.New(rand.NewPCG(1, 2)) // of the callee's reading goroutine
	callee.Handle(func(r *agent.Message) (string, string) {
		switch {
		case r.Method() != "INVITE":
			return "200 OK", ""
		case noise.IntN(2) == 0:
			return "486 Busy Here", ""
		case noise.IntN(2) == 0:
			return "200 OK", mutate(noise, samples)
		}
		return "200 OK", mutate(noise, []string{string(r.Body)})
	})
	if _, err := callee.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	answers := make([]map[int]int, 4)
	for i := range answers {
		answers[i] = map[int]int{}
		caller := s.agent(t, []string{"alice", "carol"}[i%2], []string{"tls", "udp"}[i/2])
		random := rand.New(rand.NewPCG(3, uint64(i)))
		callers.Go(func() {
			for range 100 {
				d, err := caller.Call(short(t), "bob", mutate(random, samples))
				answers[i][statusOf(err)]++
				if err == nil {
					err = d.Bye(short(t))
				}
				if status := statusOf(err); err != nil && (status == 0 || status == 500) {
					t.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	t.Log(answers)
	s.allReturned(t)
	s.unharmed(t)
	alice, bob := s.newSpeaker(t, "alice", "tls", true), s.newSpeaker(t, "carol", "tls", true)
	d := alice.call(t, "carol")
	talk(t, alice, bob)
	if err := d.Bye(short(t)); err != nil {
		t.Error(err)
	}
	s.allReturned(t)
}

// mutate changes one of some descriptions at a few places: lines get lost, come
// twice, change places, and bytes and numbers change.
func mutate(r *rand.Rand, samples []string) string {
	lines := strings.SplitAfter(samples[r.IntN(len(samples))], "\n")
	for range r.IntN(4) {
		at, other := r.IntN(len(lines)), r.IntN(len(lines))
		switch r.IntN(6) {
		case 0:
			lines[at] = ""
		case 1:
			lines = slices.Insert(lines, other, lines[at])
		case 2:
			lines[at], lines[other] = lines[other], lines[at]
		case 3:
			lines[at] = strings.ReplaceAll(lines[at], fmt.Sprint(r.IntN(10)), fmt.Sprint(r.Uint32()))
		case 4:
			if b := []byte(lines[at]); len(b) > 2 {
				b[r.IntN(len(b)-2)] = byte(1 + r.IntN(255))
				lines[at] = string(b)
			}
		case 5:
			lines[at] = lines[at][:r.IntN(len(lines[at])+1)]
		}
	}
	return strings.Join(lines, "")
}
