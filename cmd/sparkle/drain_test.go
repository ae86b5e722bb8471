package main

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
)

// TestDrain has a call ring while the server is told to stop: new requests are
// turned away with a time to come back, the call is brought to its end, and
// only then the server stops.
func TestDrain(t *testing.T) {
	d := startDemo(t, t.TempDir())
	alice, bob, carol := d.phone(t, "alice"), d.phone(t, "bob"), d.phone(t, "carol")
	alice.request(sip.INVITE, "bob", nil)
	await(t, bob.requests)
	stopped := make(chan error, 1)
	go func() { stopped <- d.stop() }()
	for d.Server.ready() == nil {
		runtime.Gosched()
	}
	carol.message("bob", "too late")
	if res := carol.final(t, 503); wire.Header(res, "Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	alice.cancel()
	alice.final(t, 200) // to CANCEL
	alice.final(t, 487)
	if err := await(t, stopped); err != nil {
		t.Error(err)
	}
	await(t, alice.gone)
}

// TestReload replaces the certificate below a running server.
func TestReload(t *testing.T) {
	d := startDemo(t, t.TempDir())
	before := d.phone(t, "alice").certificate()
	dir := certsDir(d.cfg.DataDir)
	for _, name := range []string{"server.pem", "server-key.pem"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := developmentCertificate(dir, certificateNames(d.cfg), time.Now()); err != nil {
		t.Fatal(err)
	}
	hangup := make(chan os.Signal, 1)
	hangup <- os.Interrupt // whatever comes by this channel is the hang-up signal
	reloaded := make(chan struct{})
	go func() {
		defer close(reloaded)
		d.reloadOn(t.Context(), hangup)
	}()
	deadline := time.Now().Add(time.Minute)
	for d.phone(t, "alice").certificate().Equal(before) {
		if time.Now().After(deadline) {
			t.Fatal("the old certificate is still in use")
		}
	}
}

// TestTraceShowsMessagesWithoutSecrets follows a user while he registers.
func TestTraceShowsMessagesWithoutSecrets(t *testing.T) {
	d := startDemo(t, t.TempDir())
	events, err := newClient(d.Socket).stream(t.Context(), http.MethodGet, "/v1/trace?user=alice&seconds=600", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	first := make([]byte, 1)
	if _, err := events.Read(first); err != nil { // the trace is on
		t.Fatal(err)
	}
	d.phone(t, "alice").message("bob", "top secret")
	wants := []string{"REGISTER sip:localhost SIP/2.0", "401 Unauthorized", "MESSAGE sip:bob@localhost", "(masked)"}
	out := &awaited{wants: wants, all: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- printTrace(out, events) }()
	await(t, out.all)
	events.Close()
	await(t, ended)
	for _, secret := range []string{"top secret", "response="} {
		if strings.Contains(out.text.String(), secret) {
			t.Errorf("the trace shows %q", secret)
		}
	}
}

// awaited is text that tells when everything that is wanted is in it.
type awaited struct {
	text  strings.Builder
	wants []string
	all   chan struct{}
}

func (a *awaited) Write(b []byte) (int, error) {
	a.text.Write(b)
	had := len(a.wants)
	a.wants = slices.DeleteFunc(a.wants, func(want string) bool { return strings.Contains(a.text.String(), want) })
	if had > 0 && len(a.wants) == 0 {
		close(a.all)
	}
	return len(b), nil
}
