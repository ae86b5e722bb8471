package call

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sparkleim/sparkle/media"
	"github.com/sparkleim/sparkle/sip/dialog"
	"github.com/sparkleim/sparkle/sip/proxy"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/siptest"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/store"
)

// world is a server with phones around it: the real chain and proxy, and a relay
// that only writes down what it is asked to do.
type world struct {
	*siptest.World
	t       testing.TB
	service *Service
	relay   *fakeRelay
	records *fakeRecords
	agent   *dialog.Agent
	plugged map[uint64]*transport.Flow // of agents
}

func (w *world) Attach(f *transport.Flow) { w.plugged[f.ID] = f }
func (w *world) Detach(f *transport.Flow) { delete(w.plugged, f.ID) }

func (w *world) Flow(id uint64) (*transport.Flow, bool) {
	if agent := w.plugged[id]; agent != nil {
		return agent, true
	}
	return w.World.Flow(id)
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	w := &world{World: siptest.New(t), t: t, relay: &fakeRelay{}, records: &fakeRecords{}, plugged: map[uint64]*transport.Flow{}}
	w.Steps = map[string]func(line, rest string){"media": w.media, "agreed": w.agreed}
	p, err := proxy.New(proxy.Config{Transactions: w.Layer, Flows: w, Locations: w,
		Domains: []string{"example.com"}, Secret: []byte("a secret of the test")})
	if err != nil {
		t.Fatal(err)
	}
	if w.agent, err = dialog.NewAgent(dialog.AgentConfig{Name: "click", Server: w.Layer, Stack: w}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.agent.Close)
	c := Config{Proxy: p, Agent: w.agent, Language: "en", Relay: w.relay, Records: w.records, SRTP: media.Require, Domains: []string{"example.com"}}
	for _, f := range change {
		f(&c)
	}
	w.service = New(c)
	t.Cleanup(w.service.Close)
	w.Layer.Serve(server.New(server.Config{Domains: []string{"example.com", "192.0.2.1"}, Auth: w,
		Proxy: p, InDialog: p, Calls: w.service, Rate: -1,
		Trusted: func(f *transport.Flow) bool { return w.service.Trusted(f) || w.At(f).Account == "border" }}))
	return w
}

// inWorld runs a test in fake time, with alice, bob and carol on TLS.
func inWorld(t *testing.T, test func(w *world), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		for _, name := range []string{"alice", "bob", "carol"} {
			w.Phone(name, "tls")
		}
		test(w)
		w.idle()
	})
}

// media is the step "media alice=bob": who is connected.
func (w *world) media(line, who string) {
	w.t.Helper()
	if got := w.relay.connected(); got != who {
		w.t.Fatalf("%s: connected is %q", line, got)
	}
}

// agreed is the step that wants every offer answered or taken back.
func (w *world) agreed(line, _ string) {
	w.t.Helper()
	for _, s := range w.relay.sessions {
		for i, l := range s.legs {
			if !l.closed && (l.pending || l.asked) {
				w.t.Errorf("%s: leg %d of %d has an offer pending: it said %q", line, i, len(s.legs), l.said)
			}
		}
	}
}

// idle ends every call, waits until every timer has run out and checks that
// nothing is kept.
func (w *world) idle() {
	w.t.Helper()
	w.service.Drain(cancelled())
	w.Idle()
	if n := w.agent.Sessions(); n != 0 {
		w.t.Errorf("%d sessions of the agent are left", n)
	}
	w.service.mu.Lock()
	defer w.service.mu.Unlock()
	if len(w.service.byID)+len(w.service.byName)+len(w.service.made)+len(w.service.paying)+len(w.service.clicks) != 0 {
		w.t.Errorf("left: %v %v %v %v %v", w.service.byID, w.service.byName, w.service.made, w.service.paying, w.service.clicks)
	}
	for _, s := range w.relay.sessions {
		if !s.closed {
			w.t.Error("a session was not closed")
		}
	}
	for _, r := range w.records.last {
		if r.Ended == nil || r.Cause == 0 || r.Status == 0 || r.Reason == "" || r.EndedBy == "" {
			w.t.Errorf("the record stays open: %+v", r)
		}
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// fakeRelay notes who is connected with whom. A leg says what the other side
// said, with the keying before an offer: "sdes A". It refuses what begins with
// bad, and plain where SRTP is required; what begins with full finds no port.
type fakeRelay struct {
	sessions []*fakeSession
}

func (r *fakeRelay) NewSession(on func(media.Event)) Session {
	s := &fakeSession{on: on}
	r.sessions = append(r.sessions, s)
	return s
}

func (r *fakeRelay) connected() string {
	if len(r.sessions) == 0 {
		return ""
	}
	return r.sessions[len(r.sessions)-1].joined
}

type fakeSession struct {
	on     func(media.Event)
	legs   []*fakeLeg
	joined string
	joins  int // how often anybody was connected
	closed bool
}

func (s *fakeSession) NewLeg(p media.Profile) Leg {
	s.legs = append(s.legs, &fakeLeg{profile: p})
	return s.legs[len(s.legs)-1]
}

func (s *fakeSession) Together(f func()) { f() }
func (s *fakeSession) Close()            { s.closed = true }

func (s *fakeSession) Connect(a, b Leg) {
	s.joined = a.(*fakeLeg).said + "=" + b.(*fakeLeg).said
	s.joins++
}

type fakeLeg struct {
	profile media.Profile
	said    string
	answer  string // of ours
	before  string // what Rollback returns to
	pending bool   // the peer's offer
	asked   bool   // ours
	closed  bool
}

var errClosedLeg = errors.New("the leg is closed")

func (l *fakeLeg) hear(sdp string) error {
	switch {
	case l.closed:
		return errClosedLeg
	case strings.HasPrefix(sdp, "malformed"):
		return fmt.Errorf("%w: line 1", media.ErrMalformed)
	case strings.HasPrefix(sdp, "bad"):
		return fmt.Errorf("%w: nothing in common", media.ErrNotAcceptable)
	case strings.HasPrefix(sdp, "plain") && l.profile.SRTP == media.Require:
		return fmt.Errorf("%w: not with that", media.ErrInsecure)
	}
	l.said = sdp
	return nil
}

func (l *fakeLeg) TakeOffer(sdp []byte) error {
	before := l.said
	err := l.hear(string(sdp))
	if err == nil {
		l.before, l.pending = before, true
	}
	return err
}

func (l *fakeLeg) TakeAnswer(sdp []byte) error {
	err := l.hear(string(sdp))
	if err == nil {
		l.asked = false
	}
	return err
}

func (l *fakeLeg) MakeOffer(from Leg) ([]byte, error) {
	if l.closed {
		return nil, errClosedLeg
	}
	said := "anything"
	if from != nil {
		said = from.(*fakeLeg).said
	}
	if strings.HasPrefix(said, "full") {
		return nil, fmt.Errorf("%w: allow more", media.ErrExhausted)
	}
	l.asked = true
	return []byte([...]string{"sdes ", "dtls ", "plain "}[l.profile.Offer] + said), nil
}

func (l *fakeLeg) MakeAnswer(from Leg) ([]byte, error) {
	if l.closed {
		return nil, errClosedLeg
	}
	l.pending, l.answer = false, from.(*fakeLeg).said
	return []byte(l.answer), nil
}

func (l *fakeLeg) PreviewAnswer(from Leg) ([]byte, error) {
	if said := from.(*fakeLeg).said; !strings.Contains(said, "video") {
		return []byte(said), nil
	}
	return nil, errors.New("there are no ports for that")
}

func (l *fakeLeg) Rollback() {
	if l.pending {
		l.said, l.pending = l.before, false
	}
	l.asked = false
}

func (l *fakeLeg) Keying() media.Keying {
	switch {
	case strings.HasPrefix(l.said, "plain"):
		return media.Plain
	case strings.HasPrefix(l.said, "dtls"):
		return media.DTLS
	}
	return media.SDES
}

func (l *fakeLeg) Close() { l.closed = true }

func (l *fakeLeg) Report() []media.StreamReport {
	return []media.StreamReport{{Kind: "audio", Codec: "opus/48000", PacketsReceived: 10, MOS: 4.4,
		Jitter: 1500 * time.Microsecond, Dropped: map[string]uint64{"late": 1, "early": 2}}}
}

// fakeRecords keeps records in memory.
type fakeRecords struct {
	mu    sync.Mutex
	ids   int64
	last  map[int64]store.CallRecord
	saved int
	open  []store.CallRecord
}

func (f *fakeRecords) NewCallID() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids++
	return f.ids
}

func (f *fakeRecords) SaveCall(r *store.CallRecord) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		f.last = map[int64]store.CallRecord{}
	}
	f.last[r.ID] = *r
	f.saved++
}

func (f *fakeRecords) OpenCalls(context.Context) ([]store.CallRecord, error) { return f.open, nil }

// newest is the record that was opened last.
func (f *fakeRecords) newest() store.CallRecord {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last[f.ids]
}
