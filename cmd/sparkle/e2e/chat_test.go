package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// newPhone starts a phone of a make.
func (s *server) newPhone(t *testing.T, kind, user, transport string) phone {
	t.Helper()
	switch kind {
	case "linphone":
		return s.newLinphone(t, user, transport, t.TempDir())
	case "baresip":
		return s.newBaresip(t, user, transport)
	case "sipp":
		return s.newSIPp(t, user, transport)
	}
	t.Fatalf("no phone of kind %q", kind)
	return nil
}

// Every kind of phone writes to every other, over every pair of transports
// that a kind supports.
func TestChatMatrix(t *testing.T) {
	s := startServer(t)
	alice := []phone{
		s.newPhone(t, "linphone", "alice", "tls"),
		s.newPhone(t, "baresip", "bob", "tls"),
		s.newPhone(t, "linphone", "zhangsan", "tcp"),
		s.newPhone(t, "baresip", "lisi", "udp"),
	}
	for _, from := range alice {
		for _, to := range alice {
			if from == to {
				continue
			}
			t.Run(from.User()+"→"+to.User(), func(t *testing.T) {
				text := fmt.Sprintf("你好 %s, hello from %s", to.User(), from.User())
				from.Send(t, to.User()+"@"+s.Ready.Domain, text)
				awaitText(t, to, from.User(), text)
				if n := to.Got(from.User(), text); n != 1 {
					t.Errorf("%s shows it %d times", to.User(), n)
				}
			})
		}
	}
}

// SIPp takes part over TLS, TCP and UDP, both ways.
func TestChatWithSIPp(t *testing.T) {
	s := startServer(t)
	linphone := s.newPhone(t, "linphone", "alice", "tls")
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			sipp := s.newPhone(t, "sipp", "bob", transport)
			sipp.Send(t, "alice@"+s.Ready.Domain, "SIPp over "+transport)
			awaitText(t, linphone, "bob", "SIPp over "+transport)
			sipp.Quit(t)
		})
	}
}

// What was sent to somebody who is away waits for him, in order, through a
// restart of the server.
func TestOfflineAndBack(t *testing.T) {
	s := startServer(t)
	bobDir := t.TempDir()
	alice := s.newLinphone(t, "alice", "tls", t.TempDir())
	bob := s.newLinphone(t, "bob", "tls", bobDir)
	alice.Send(t, "bob@"+s.Ready.Domain, "before")
	awaitText(t, bob, "alice", "before")
	bob.Quit(t)

	for i := range 5 {
		alice.Send(t, "bob@"+s.Ready.Domain, fmt.Sprintf("while away %d", i))
	}
	eventually(t, limit, "alice's client has all accepted", func() bool {
		for i := range 5 { // m0 was before
			if !slices.Contains(alice.States(fmt.Sprint("m", i+1)), "Delivered") {
				return false
			}
		}
		return true
	})
	s.stop(t)
	s.start(t)

	bob = s.newLinphone(t, "bob", "tls", bobDir)
	for i := range 5 {
		awaitText(t, bob, "alice", fmt.Sprintf("while away %d", i))
	}
	var order []string
	bob.out.count(func(l string) bool {
		if f := strings.SplitN(l, "\t", 4); f[0] == "message" {
			order = append(order, f[3])
		}
		return false
	})
	want := "while away 0,while away 1,while away 2,while away 3,while away 4"
	if got := strings.Join(order, ","); got != want {
		t.Errorf("shown in the order %s", got)
	}
}

// Two devices of one user both get what is written to him, and the other one
// gets what he writes on the first.
func TestTwoDevices(t *testing.T) {
	s := startServer(t)
	desk := s.newLinphone(t, "bob", "tls", t.TempDir())
	pocket := s.newBaresip(t, "bob", "tls")
	alice := s.newLinphone(t, "alice", "tls", t.TempDir())
	alice.Send(t, "bob@"+s.Ready.Domain, "to both")
	awaitText(t, desk, "alice", "to both")
	awaitText(t, pocket, "alice", "to both")
	desk.Send(t, "alice@"+s.Ready.Domain, "from the desk")
	awaitText(t, alice, "bob", "from the desk")
	eventually(t, limit, "the other device shows what bob wrote", func() bool {
		return pocket.count(func(m *trace) bool { return strings.Contains(m.body, "from the desk") }) == 1
	})
}

// A Linphone in CPIM mode sees its message delivered and read; a text phone
// gets the text out of the CPIM.
func TestReceipts(t *testing.T) {
	s := startServer(t)
	alice := s.newLinphone(t, "alice", "tls", t.TempDir())
	bob := s.newLinphone(t, "bob", "tls", t.TempDir())
	lisi := s.newBaresip(t, "lisi", "tls")
	alice.tell(t, "cpim on")
	alice.Send(t, "bob@"+s.Ready.Domain, "请确认")
	awaitText(t, bob, "alice", "请确认")
	eventually(t, limit, "alice sees it delivered", func() bool { return slices.Contains(alice.States("m0"), "DeliveredToUser") })
	bob.tell(t, "read sip:alice@%s", s.Ready.Domain)
	eventually(t, limit, "alice sees it read", func() bool { return slices.Contains(alice.States("m0"), "Displayed") })

	alice.Send(t, "lisi@"+s.Ready.Domain, "给文本电话")
	awaitText(t, lisi, "alice", "给文本电话")
	eventually(t, limit, "alice sees the text phone's delivery", func() bool { return slices.Contains(alice.States("m1"), "DeliveredToUser") })
}

// is-composing reaches a Linphone and is kept nowhere.
func TestComposing(t *testing.T) {
	s := startServer(t)
	alice := s.newLinphone(t, "alice", "tls", t.TempDir())
	bob := s.newLinphone(t, "bob", "tls", t.TempDir())
	bob.Send(t, "alice@"+s.Ready.Domain, "are you there?")
	awaitText(t, alice, "bob", "are you there?")
	alice.tell(t, "compose sip:bob@%s", s.Ready.Domain)
	eventually(t, limit, "bob sees alice writing", func() bool {
		return bob.out.count(func(l string) bool {
			return strings.HasPrefix(l, "composing\tsip:alice@") && strings.HasSuffix(l, "\t1")
		}) > 0
	})
	if out := s.sparkle(t, "message", "search", "--json"); strings.Contains(out, "iscomposing") {
		t.Errorf("is-composing is in the archive:\n%s", out)
	}
}

// The magic user echo answers, so that somebody alone can try the system.
func TestEcho(t *testing.T) {
	s := startServer(t)
	alice := s.newBaresip(t, "alice", "tls")
	alice.Send(t, "echo@"+s.Ready.Domain, "anybody there?")
	awaitText(t, alice, "echo", "anybody there?")
}
