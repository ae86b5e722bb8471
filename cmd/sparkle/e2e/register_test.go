package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// contacts are the Contact values of a 200 to REGISTER.
func contacts(m *agent.Message) []string {
	var all []string
	for _, line := range m.All("contact") {
		all = append(all, strings.Split(line, ",<")...)
	}
	return all
}

// A registration is made, refreshed, replaced by its device from another
// address, and expires to the second.
func TestRegistrationLife(t *testing.T) {
	s := startServer(t)
	config := agent.Config{Server: s.addr("tls"), Transport: "tls", Domain: s.Ready.Domain, User: "alice", Password: s.Ready.Password,
		Instance: "urn:uuid:00000000-0000-4000-8000-000000000001"}
	dial := func() *agent.Agent {
		a, err := agent.Dial(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		return a
	}
	register := func(a *agent.Agent, expires int) []string {
		res, err := a.Register(short(t), expires)
		if err != nil {
			t.Fatal(err)
		}
		return contacts(res)
	}
	first := dial()
	if got := register(first, 600); len(got) != 1 || !strings.Contains(got[0], "pub-gruu=") {
		t.Fatalf("registered: %q", got)
	}
	if got := register(first, 600); len(got) != 1 {
		t.Errorf("refreshed: %q", got)
	}
	second := dial()
	if got := register(second, 600); len(got) != 1 || !strings.Contains(got[0], second.LocalAddr().String()) {
		t.Errorf("the device on its new connection: %q", got)
	}
	config.Instance = "urn:uuid:00000000-0000-4000-8000-000000000002"
	other := dial()
	if got := register(other, 60); len(got) != 2 {
		t.Errorf("two devices: %q", got)
	}
	if got := register(second, 0); len(got) != 1 || !strings.Contains(got[0], other.LocalAddr().String()) {
		t.Errorf("after the first device left: %q", got)
	}
	if _, err := dial().Register(short(t), 1); err != nil {
		t.Error(err)
	}
	time.Sleep(1200 * time.Millisecond) // real time: the server's clock is not ours
	res, err := second.Register(short(t), 0)
	if err != nil || len(contacts(res)) != 0 {
		t.Errorf("after one second: %q, %v", contacts(res), err)
	}
}

// The flow's end makes its binding unreachable at once: what is written then
// waits and comes with the next registration.
func TestFlowEnds(t *testing.T) {
	s := startServer(t)
	bob := s.agent(t, "bob", "tls")
	if _, err := bob.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	alice := s.agent(t, "alice", "tls")
	bob.Close()
	<-bob.Closed()
	if _, err := alice.Message(short(t), "bob", "for later"); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 4)
	again := s.agent(t, "bob", "tls")
	again.OnRequest = func(m *agent.Message) (string, string) {
		got <- string(m.Body)
		return "200 OK", ""
	}
	if _, err := again.Register(short(t), 600); err != nil {
		t.Fatal(err)
	}
	select {
	case text := <-got:
		if text != "for later" {
			t.Errorf("got %q", text)
		}
	case <-time.After(limit):
		t.Error("nothing came")
	}
}
