package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// S14 of the security rows: the keys of a call are in nothing that the server
// writes, shows or keeps, whatever level its log has and whoever follows the
// protocol; not when the call works and not when an offer with a key is refused.
func TestKeysStaySecret(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"level": `"debug"`}
	mediaPorts(settings, 200)
	s := startOffice(t, settings)
	token := s.token(t)
	outputs := map[string]func() []byte{}
	for name, follow := range map[string]func(*testing.T) func() []byte{
		"the trace by REST": func(t *testing.T) func() []byte { return s.followREST(t, token) },
		"sparkle trace":     s.followCLI,
	} {
		outputs[name] = follow(t)
	}

	alice, bob := s.newSpeaker(t, "alice", "tls", true), s.newSpeaker(t, "bob", "tls", true)
	d := alice.call(t, "bob")
	talk(t, alice, bob)
	live := s.outputs(t, token, "--live")
	alice.again(t, d, "sendonly")
	alice.again(t, d, "sendrecv")
	key := "inline:" + alice.keys[0]
	for _, change := range [][2]string{
		{key, key + " UNENCRYPTED_SRTP"}, {key, key + "AAAA"}, {"m=audio", "m=" + alice.keys[0]}, {"RTP/SAVP", alice.keys[0]},
		{"a=rtpmap:0", "a=" + key}, {"c=IN IP4", "c=" + key}, {"v=0\r\n", "\x00" + key}, {"a=crypto", "k=clear:" + alice.keys[0] + "\r\nA=Crypto "},
	} {
		offer := strings.Replace(alice.offer(), change[0], change[1], 1)
		for _, r := range []*agent.Request{
			{Method: "INVITE", ContentType: "application/sdp", Body: offer},
			{Method: "UPDATE", ContentType: "application/sdp", Body: offer},
			{Method: "INFO", ContentType: "application/sdp", Body: offer},
		} {
			if _, err := d.Do(short(t), r); err != nil {
				t.Fatal(err)
			}
		}
		if other, err := alice.Call(short(t), "bob", offer); err == nil {
			other.Bye(short(t))
		}
	}
	back := bob.call(t, "alice") // keys that the other side answers with
	bob.again(t, back, "sendrecv")
	talk(t, alice, bob)
	for _, d := range []*agent.Dialog{d, back} {
		if err := d.Bye(short(t)); err != nil {
			t.Error(err)
		}
	}
	ended := s.outputs(t, token)
	s.stop(t) // all that it wants to write is written

	all := map[string][]byte{}
	for name, get := range outputs {
		all[name] = get()
		if !bytes.Contains(all[name], []byte("INVITE sip:bob@")) {
			t.Errorf("%s shows nothing of the call", name)
		}
	}
	for when, texts := range map[string]map[string][]byte{"in the call": live, "after the call": ended, "on the disk": s.files(t)} {
		for name, text := range texts {
			all[name+" "+when] = text
		}
	}
	keys := append(alice.keys, bob.keys...)
	if len(keys) < 8 {
		t.Fatalf("only %d keys were seen", len(keys))
	}
	for name, text := range all {
		if len(text) == 0 {
			t.Errorf("%s is empty", name)
		}
		for _, k := range keys {
			for _, form := range forms(t, k) {
				if bytes.Contains(text, form) {
					t.Fatalf("a key is in %s:\n%s", name, around(text, form))
				}
			}
		}
	}
}

// forms are the ways in which a key may be written.
func forms(t *testing.T, key string) [][]byte {
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{[]byte(key), raw[:16], []byte(hex.EncodeToString(raw[:16])), []byte(strings.ToUpper(hex.EncodeToString(raw[:16]))),
		[]byte(strings.Trim(fmt.Sprint(raw[:16]), "[]")), []byte(strings.ReplaceAll(key, "/", `\/`))}
}

// around is the text where something was found.
func around(text, found []byte) []byte {
	i := bytes.Index(text, found)
	return text[max(0, i-200):min(len(text), i+300)]
}

// outputs is everything that the program tells about calls.
func (s *server) outputs(t *testing.T, token string, flags ...string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	run := func(args ...string) string {
		out := s.sparkle(t, args...)
		all["sparkle "+strings.Join(args, " ")] = []byte(out)
		return out
	}
	run(append([]string{"call", "list"}, flags...)...)
	var calls []struct{ ID string }
	if err := json.Unmarshal([]byte(run(append([]string{"call", "list", "--json"}, flags...)...)), &calls); err != nil || len(calls) == 0 {
		t.Fatal(calls, err)
	}
	for _, c := range calls {
		run("call", "show", c.ID)
		run("call", "show", c.ID, "--json")
		all["/v1/calls/"+c.ID] = s.get(t, "https", "/v1/calls/"+c.ID, token)
	}
	run("call", "export")
	run("call", "export", "--format", "csv")
	run("device", "list", "--json")
	run("status")
	all["/v1/calls"] = s.get(t, "https", "/v1/calls", token)
	all["/metrics"] = s.get(t, "metrics", "/metrics", "")
	return all
}

var insecure = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// get reads a page of the server.
func (s *server) get(t *testing.T, listener, path, token string) []byte {
	t.Helper()
	scheme := map[string]string{"https": "https", "metrics": "http"}[listener]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://"+s.addr(listener)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := insecure.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", path, res.Status, err)
	}
	return b
}

// token makes one for REST, with further flags.
func (s *server) token(t *testing.T, flags ...string) string {
	t.Helper()
	var made struct{ Secret string }
	if err := json.Unmarshal([]byte(s.sparkle(t, append([]string{"token", "add", "t", "--json"}, flags...)...)), &made); err != nil {
		t.Fatal(err)
	}
	return made.Secret
}

// followREST follows the protocol as an administrator does, until the server ends;
// without a token nobody does.
func (s *server) followREST(t *testing.T, token string) func() []byte {
	t.Helper()
	url := "https://" + s.addr("https") + "/v1/trace"
	res, err := insecure.Get(url)
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		t.Fatalf("without a token: %v %v", res, err)
	}
	res.Body.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if res, err = insecure.Do(req); err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 1)); err != nil { // it is on
		t.Fatal(err)
	}
	var b bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer res.Body.Close()
		io.Copy(&b, res.Body)
	}()
	return func() []byte { <-done; return b.Bytes() }
}

// shared is a buffer that a program writes and a test reads.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

// followCLI does it by the command line.
func (s *server) followCLI(t *testing.T) func() []byte {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, s.bin, "trace", "--for", "10m", "--data", s.dir)
	var out shared
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); cmd.Wait() })
	probe := s.agent(t, "carol", "tls")
	eventually(t, limit, "the trace is on", func() bool {
		if _, err := probe.Options(short(t)); err != nil {
			t.Fatal(err)
		}
		out.mu.Lock()
		defer out.mu.Unlock()
		return bytes.Contains(out.b.Bytes(), []byte("OPTIONS"))
	})
	return func() []byte {
		cmd.Wait()
		return out.b.Bytes()
	}
}

// files are those that the server has written.
func (s *server) files(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if len(b) > 0 {
			all[path] = b
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if all["the log"], err = os.ReadFile(s.log.Name()); err != nil {
		t.Fatal(err)
	}
	return all
}

// Keys are as secret as the signalling that they go by (RFC 4568 §7): none goes
// to a phone without TLS, and none that such a phone sends is taken for one.
func TestKeysOnlyOverTLS(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"prefer", "require"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{"srtp": fmt.Sprintf("%q", policy)}
			mediaPorts(settings, 200)
			s := startOffice(t, settings)
			alice := s.newSpeaker(t, "alice", "tls", true)
			for _, transport := range []string{"udp", "tcp"} {
				bob := s.newSpeaker(t, "bob", transport, false)
				d, err := alice.Call(short(t), "bob", alice.offer())
				if (err == nil) != (policy == "prefer") {
					t.Errorf("to %s: %v", transport, err)
				}
				if err == nil {
					if _, _, err := alice.take(string(d.Answer)); err != nil {
						t.Fatal(err)
					}
					talk(t, alice, bob)
					d.Bye(short(t))
				}
				key := "a=crypto:1 " + suite + " inline:" + base64.StdEncoding.EncodeToString(random(30)) + "\r\n"
				for _, proto := range []string{"RTP/AVP", "RTP/SAVP"} {
					offer := strings.Replace(bob.offer(), "RTP/AVP", proto, 1) + key
					d, err := bob.Call(short(t), "alice", offer)
					if taken := policy == "prefer" && proto == "RTP/AVP"; (err == nil) != taken || err != nil && statusOf(err) != 488 {
						t.Errorf("from %s with %s: %v", transport, proto, err)
					}
					if err == nil {
						if _, _, err := bob.take(string(d.Answer)); err != nil {
							t.Errorf("%v in\n%s", err, d.Answer)
						}
						talk(t, alice, bob)
						d.Bye(short(t))
					}
				}
				for _, text := range bob.described() {
					if strings.Contains(text, "a=crypto") || strings.Contains(text, "inline:") {
						t.Errorf("a key went out over %s:\n%s", transport, text)
					}
				}
				if len(bob.described()) == 0 {
					t.Errorf("bob was told nothing over %s", transport)
				}
				bob.Register(short(t), 0)
			}
			s.allReturned(t)
			s.unharmed(t)
		})
	}
}
