package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// member is a scripted phone that takes part in rooms: it joins what it is invited
// to, and keeps what it is sent.
type member struct {
	*agent.Agent
	gruu string

	mu       sync.Mutex
	requests []*agent.Message
}

// newMember registers a phone that says of itself that it shows rooms.
func (s *server) newMember(t *testing.T, user, transport string) *member {
	t.Helper()
	m := &member{}
	a, err := agent.Dial(agent.Config{Server: s.addr(transport), Transport: transport, Domain: s.Ready.Domain, User: user, Password: s.Ready.Password,
		Instance: "urn:uuid:00000000-0000-4000-8000-" + fmt.Sprintf("%012x", user[:min(len(user), 6)]), Specs: "groupchat/1.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	m.Agent = a
	a.Handle(func(r *agent.Message) (string, string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.requests = append(m.requests, r)
		return "200 OK", ""
	})
	res, err := a.Register(short(t), 600)
	if err != nil || res.Status() != 200 {
		t.Fatalf("%s cannot register: %v %v", user, res, err)
	}
	for _, contact := range res.All("contact") {
		if gruu := agent.Param(contact, "pub-gruu"); gruu != "" && strings.Contains(gruu, strings.TrimPrefix(a.Instance, "urn:uuid:")) {
			m.gruu = gruu
		}
	}
	if m.gruu == "" {
		t.Fatalf("%s got no GRUU:\n%s", user, res.Bytes())
	}
	return m
}

// sent tells how many requests of a method for a room, with that in the body, came.
func (m *member) sent(method, room, body string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.requests {
		if r.Method() == method && agent.URIOf(r.Get("from")) == room && strings.Contains(string(r.Body), body) {
			n++
		}
	}
	return n
}

// newest is the last such request.
func (m *member) newest(method, room, body string) *agent.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range slices.Backward(m.requests) {
		if r.Method() == method && agent.URIOf(r.Get("from")) == room && strings.Contains(string(r.Body), body) {
			return r
		}
	}
	return nil
}

// awaitJoined waits until the phone was invited to a room.
func (m *member) awaitJoined(t *testing.T, room string) {
	t.Helper()
	eventually(t, limit, m.User+"'s phone is invited", func() bool { return m.sent("INVITE", room, "") > 0 })
}

// awaitSent waits until the phone was sent a message in a room, as it is for devices
// in it, and returns it.
func (m *member) awaitSent(t *testing.T, room, text string) *agent.Message {
	t.Helper()
	eventually(t, limit, fmt.Sprintf("%s's phone is sent %q", m.User, text), func() bool { return m.sent("MESSAGE", room, text) > 0 })
	return m.newest("MESSAGE", room, text)
}

// cpimOf is a message in CPIM of a user to a room; headers and contentHeaders are
// further lines, each with its CRLF.
func cpimOf(from, room, headers, contentHeaders, body string) string {
	return "From: <" + from + ">\r\nTo: <" + room + ">\r\nDateTime: 2026-11-22T22:57:20Z\r\nNS: imdn <urn:ietf:params:imdn>\r\n" +
		"NS: linphone <tag:linphone.org,2020:params:groupchat>\r\n" + headers + "\r\n" +
		"Content-Type: text/plain; charset=UTF-8\r\n" + contentHeaders + "\r\n" + body
}

// cpimHeader is a header of a message in CPIM.
func cpimHeader(body []byte, name string) string {
	for line := range strings.SplitSeq(string(body), "\r\n") {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return value
		}
	}
	return ""
}

// speak sends a text in CPIM to a room; it must be accepted.
func (m *member) speak(t *testing.T, room, headers, contentHeaders, body string) {
	t.Helper()
	r := m.to(room, cpimOf(m.AOR(), room, "imdn.Message-ID: "+agent.NewID()+"\r\nimdn.Disposition-Notification: display\r\n"+headers, contentHeaders, body))
	if res, err := m.Do(short(t), r); err != nil || res.Status() != 202 {
		t.Fatalf("%s cannot speak: %v %v", m.User, err, answerOf(res))
	}
}

// to is a MESSAGE to a room.
func (m *member) to(room, cpim string) *agent.Request {
	return &agent.Request{Method: "MESSAGE", URI: room, ContentType: "message/cpim", Body: cpim}
}

// answerOf is what a user is told: the start line and the Warning.
func answerOf(res *agent.Message) string {
	if res == nil {
		return "nothing"
	}
	return strings.TrimSpace(res.Start + " " + res.Get("warning"))
}
