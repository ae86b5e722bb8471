package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// All kinds of phones in one group, over TLS, TCP and UDP: each shows what each of
// the others says, as it can. The group is that of a unit: nobody has joined it.
func TestMixedGroup(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.sparkle(t, "unit", "add", "技术部")
	s.sparkle(t, "unit", "member", "add", "技术部", "alice", "bob", "lisi", "wangwu", "zhangsan")
	s.sparkle(t, "group", "add", "tech", "--unit", "技术部", "--subject", "技术组")
	s.sparkle(t, "group", "member", "role", "tech", "lisi", "owner")
	room := "sip:tech@" + s.Ready.Domain
	alice := s.newLinphone(t, "alice", "tls", t.TempDir())
	carol := s.newLinphone(t, "carol", "udp", t.TempDir())
	lisi := s.newBaresip(t, "lisi", "tls", "tech", "assistant")
	zhangsan := s.newBaresip(t, "zhangsan", "udp", "tech")
	wangwu := s.newMember(t, "wangwu", "tcp")
	wangwu.awaitJoined(t, room)
	alice.awaitRoom(t, room)
	awaitRosters(t, room, "技术组: alice bob lisi* wangwu zhangsan", alice)
	s.sparkle(t, "unit", "member", "add", "技术部", "carol")
	awaitRosters(t, room, "技术组: alice bob carol lisi* wangwu zhangsan", alice, carol)
	in := func(t *testing.T, author, name, text string) {
		t.Helper()
		for _, p := range []*linphone{alice, carol} {
			if p.User() != author {
				awaitHeard(t, room, author, text, p)
			}
		}
		for _, p := range []*baresip{lisi, zhangsan} {
			if p.User() != author {
				awaitText(t, p, "tech", name+": "+text)
			}
		}
		if author != "wangwu" {
			wangwu.awaitSent(t, room, text)
		}
	}

	t.Run("each to all", func(t *testing.T) {
		alice.say(t, room, "from Linphone")
		in(t, "alice", "Alice", "from Linphone")
		lisi.Send(t, "tech@"+s.Ready.Domain, "从文本电话")
		in(t, "lisi", "李四", "从文本电话")
		wangwu.speak(t, room, "", "", "from a script")
		in(t, "wangwu", "王五", "from a script")
		for _, transport := range []string{"udp", "tcp", "tls"} {
			s.newSIPp(t, "bob", transport).Send(t, "tech@"+s.Ready.Domain, "SIPp over "+transport)
			in(t, "bob", "Bob", "SIPp over "+transport)
		}
	})

	t.Run("reply and reaction", func(t *testing.T) {
		carol.tell(t, "reply %s 收到", room)
		for _, p := range []*baresip{lisi, zhangsan} {
			awaitText(t, p, "tech", "Carol: [回复 bob] 收到")
		}
		reply := wangwu.awaitSent(t, room, "收到")
		reaction := "linphone.In-Reply-To: " + cpimHeader(reply.Body, "imdn.Message-ID") + "\r\n"
		wangwu.speak(t, room, reaction, "Content-Disposition: Reaction\r\n", "👍")
		for _, p := range []*baresip{lisi, zhangsan} {
			awaitText(t, p, "tech", "王五 回应了 👍")
		}
		if shown := wangwu.newest("MESSAGE", room, "收到"); shown.Get("session-mode") != "true" || agent.URIOf(shown.Get("to")) != wangwu.gruu {
			t.Errorf("a device in the room is sent\n%s", shown.Bytes())
		}
	})

	t.Run("commands", func(t *testing.T) {
		lisi.Send(t, "assistant@"+s.Ready.Domain, "/groups")
		lisi.awaitPart(t, "assistant", "技术组")
		lisi.Send(t, "tech@"+s.Ready.Domain, "/禁言 wangwu 30分钟")
		lisi.awaitPart(t, "", "禁言")
		res, err := wangwu.Do(short(t), wangwu.to(room, cpimOf(wangwu.AOR(), room, "", "", "unheard")))
		if err != nil || res.Status() != 403 || !strings.HasPrefix(res.Get("warning"), "399 ") || !strings.Contains(res.Get("warning"), "禁言") {
			t.Errorf("who is muted is told %v, %v", answerOf(res), err)
		}
		s.sparkle(t, "group", "member", "unmute", "tech", "wangwu")
		wangwu.speak(t, room, "", "", "may speak again")
		in(t, "wangwu", "王五", "may speak again")
		for _, p := range []*linphone{alice, carol} {
			if p.heard(room, "wangwu", "-", "unheard")+p.heard(room, "lisi", "-", "/禁言 wangwu 30分钟") > 0 {
				t.Error(p.user + " heard who is muted, or a command")
			}
		}
	})

	t.Run("mentions and what is unread", func(t *testing.T) {
		token := s.token(t, "--user", "carol")
		carol.tell(t, "seen %s", room)
		eventually(t, limit, "carol has read all", func() bool { return s.conversation(t, token, "tech").Unread == 0 })
		lisi.Send(t, "tech@"+s.Ready.Domain, "请＠carol 看一下")
		lisi.Send(t, "tech@"+s.Ready.Domain, "@all 还有大家")
		lisi.Send(t, "tech@"+s.Ready.Domain, "谢谢")
		eventually(t, limit, "three are unread, and two of them address her", func() bool {
			c := s.conversation(t, token, "tech")
			return c.Unread == 3 && c.Mentions == 2 && c.Last.Text == "谢谢" && c.Last.From.DisplayName == "李四"
		})
		awaitHeard(t, room, "lisi", "谢谢", carol)
		carol.tell(t, "seen %s", room)
		eventually(t, limit, "carol has read these, too", func() bool { c := s.conversation(t, token, "tech"); return c.Unread+c.Mentions == 0 })
	})

	t.Run("killed under load", func(t *testing.T) { s.killGroupUnderLoad(t, room, alice, carol, wangwu) })
}

// killGroupUnderLoad kills the server while two write to a group: afterwards each
// device shows what was answered 202 once, and all in the same order.
func (s *server) killGroupUnderLoad(t *testing.T, room string, alice, carol *linphone, wangwu *member) {
	acked := &ledger{}
	done := make(chan struct{}, 2)
	for _, user := range []string{"bob", "zhangsan"} {
		a := s.agent(t, user, "tls")
		go func() {
			defer func() { done <- struct{}{} }()
			for i := 0; ; i++ {
				text := fmt.Sprintf("%s writes text %d", user, i)
				res, err := a.Do(short(t), &agent.Request{Method: "MESSAGE", URI: room, ContentType: "text/plain", Body: text})
				if err != nil || res.Status() != 202 {
					return
				}
				acked.add(text)
			}
		}()
	}
	eventually(t, limit, "the group is busy", func() bool { return acked.len() > 40 })
	s.crash(t, alice)
	<-done
	<-done
	carol.tell(t, "refresh")
	if one, other := alice.awaitHistoryOf(t, room, acked), carol.awaitHistoryOf(t, room, acked); !slices.Equal(one, other) {
		t.Errorf("one client shows another order than the other:\n%s\n\n%s", strings.Join(one, "\n"), strings.Join(other, "\n"))
	}
	wangwu.Close()
	back := s.newMember(t, "wangwu", "tcp")
	back.awaitSent(t, room, acked.texts[len(acked.texts)-1])
	s.sparkle(t, "group", "rename", "tech", "新技术组")
	awaitRosters(t, room, "新技术组: alice bob carol lisi* wangwu zhangsan", alice, carol)
	s.sparkle(t, "unit", "member", "remove", "技术部", "carol")
	carol.awaitGone(t, room)
	awaitRosters(t, room, "新技术组: alice bob lisi* wangwu zhangsan", alice)
}

// awaitPart waits until the phone shows a text with this in it, from that user, or ""
// for whomever.
func (p *baresip) awaitPart(t *testing.T, from, part string) {
	t.Helper()
	eventually(t, limit, p.user+" is told of "+part, func() bool {
		return p.count(func(m *trace) bool {
			return (from == "" || strings.Contains(m.from, "sip:"+from+"@")) && strings.Contains(m.body, part)
		}) > 0
	})
}

// conversation is what a user's list shows of a group.
func (s *server) conversation(t *testing.T, token, group string) (c struct {
	Unread, Mentions int
	Group            struct{ Address string }
	Last             struct {
		Text string
		From struct {
			DisplayName string `json:"display_name"`
		}
	}
}) {
	t.Helper()
	var page struct{ Items []json.RawMessage }
	body := s.get(t, "https", "/v1/me/conversations", token)
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatalf("%v:\n%s", err, body)
	}
	for _, item := range page.Items {
		if err := json.Unmarshal(item, &c); err != nil {
			t.Fatal(err)
		}
		if c.Group.Address == group+"@"+s.Ready.Domain {
			return c
		}
	}
	t.Fatalf("no conversation of %s:\n%s", group, body)
	return c
}

// awaitHistoryOf waits until a client keeps all that was promised, each once, and
// returns these texts in its order.
func (p *linphone) awaitHistoryOf(t *testing.T, room string, acked *ledger) (texts []string) {
	t.Helper()
	eventually(t, limit, p.user+"'s Linphone has all that was said", func() bool {
		texts = nil
		kept := map[string]int{}
		for _, line := range p.history(t, room) {
			if _, text, ok := strings.Cut(line, " in - "); ok && slices.Contains(acked.texts, text) {
				kept[text]++
				texts = append(texts, text)
			}
		}
		for _, text := range acked.texts {
			switch kept[text] {
			case 0:
				return false
			case 1:
			default:
				t.Fatalf("%s's Linphone shows %q %d times", p.user, text, kept[text])
			}
		}
		return true
	})
	return texts
}
