package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/sip/focus"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// expectHeaders compares how values begin; "" is a header that must not be there.
func expectHeaders(t *testing.T, what string, req *sip.Request, want map[string]string) {
	t.Helper()
	for name, begin := range want {
		if v := wire.Header(req, name); !strings.HasPrefix(v, begin) || begin == "" && v != "" {
			t.Errorf("%s: %s: %q, want %q", what, name, v, begin)
		}
	}
}

// Everybody in a group of text phones and Linphones gets what suits him.
func TestGroupOfMixedPhones(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 102, 103, 201, 202, 301, 401)
		m.people.mu.Lock()
		m.people.targets[2][1].GRUU = "sip:bob@example.com;gr=urn:uuid:202"
		m.people.mu.Unlock()
		m.rooms.set(103, focus.Inside)
		original := cpimOf("alice", "id-1", "大家好")
		a := m.posts(102, cpimType, "Priority: normal\r\nReply-To: <sip:elsewhere@example.com>\r\n", original)
		if a.status != 202 {
			t.Fatalf("answered %d", a.status)
		}
		expect(t, "in the room", m.phones.texts(202), []string{original})
		expect(t, "text phone", m.phones.texts(201), []string{"爱丽丝: 大家好"})
		expect(t, "another text phone", m.phones.texts(301), []string{"爱丽丝: 大家好"})
		expect(t, "own text phone", m.phones.texts(101), []string{"我: 大家好"})
		expect(t, "own Linphone", m.phones.texts(103)[:1], []string{original})
		expect(t, "not in the group", m.phones.texts(401), nil)
		for _, got := range m.phones.texts(102) {
			if !strings.Contains(got, "<message-id>id-1</message-id>") {
				t.Errorf("the sender got %s", got)
			}
		}
		common := map[string]string{
			"Call-ID": "0000000000000002@example.com", IDHeader: "0000000000000002", "Priority": "normal",
			"Reply-To": "", "P-Asserted-Identity": "", "Date": "Sat, 01 Jan 2000 00:00:00 GMT",
		}
		for d, want := range map[store.DeviceID]map[string]string{
			201: {"From": `"研发" <sip:team@example.com>;tag=`, "To": "<sip:bob@example.com>", "Content-Type": "text/plain", "Session-mode": ""},
			202: {"From": `<sip:team@example.com>;tag=`, "To": "<sip:bob@example.com;gr=urn:uuid:202>", "Content-Type": cpimType, "Session-mode": "true", "X-fs-message-type": ""},
			103: {"From": `<sip:team@example.com>;tag=`, "Session-mode": "true", "X-fs-message-type": "chat-service"},
		} {
			expectHeaders(t, fmt.Sprint(d), m.phones.got[d][0], common)
			expectHeaders(t, fmt.Sprint(d), m.phones.got[d][0], want)
		}
		if len(m.archive.texts()) != 1+1+2 { // notice, message, two receipts of text phones' users
			t.Errorf("archive: %q", m.archive.texts())
		}
	})
}

// What a text phone writes comes into the room in CPIM, the same for all devices
// and at every time.
func TestBareTextIsWrapped(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		time.Sleep(40 * 24 * time.Hour) // to February: no DateTime in January
		m.arrives(101, 102, 202, 302)
		m.does(1, group.SetNickname{User: 1, Nickname: `小"爱`})
		m.leaves(302)
		m.forget()
		m.says(101, "team", "中午吃什么？")
		m.registers(302, linphoneSpecs)
		got := m.phones.texts(202)
		if len(got) != 1 {
			t.Fatalf("%q", got)
		}
		c, err := parseCPIM([]byte(got[0]))
		if err != nil {
			t.Fatal(err)
		}
		id := m.archive.msgs[1].MessageID
		for name, want := range map[string]string{
			"From": `"小"爱"<sip:alice@example.com>`, "To": "<sip:team@example.com>", "DateTime": "2000-02-10T00:00:00Z",
		} {
			if v := c.header(name); v != want {
				t.Errorf("%s: %q, want %q", name, v, want)
			}
		}
		if id == "" || c.imdn("Message-ID") != id || !asks(c.imdn("Disposition-Notification"), "display") {
			t.Errorf("Message-ID %q, archive %q", c.imdn("Message-ID"), id)
		}
		if string(c.body) != "中午吃什么？" || c.contentHeader("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%+v", c)
		}
		expect(t, "who was away", m.phones.texts(302), got)
		expect(t, "own Linphone", m.phones.texts(102), got)
		if m.archive.msgs[1].ContentType != "text/plain" {
			t.Error("the archive does not keep the original")
		}
		// A receipt names what the server named.
		m.forget()
		m.writes(202, "r-1", "", "X: y") // an empty text is said like any other
		m.posts(202, cpimType, "", receiptOf("bob", "rc-1", id, "display", "displayed"))
		if m.archive.reads[2] != 2 {
			t.Errorf("bob has read up to %d", m.archive.reads[2])
		}
	})
}

// receiptOf is a receipt as Linphone sends it into a group.
func receiptOf(from, id, about, what, status string) string {
	r := receipt{MessageID: about, About: what, Status: status, At: time.Now()}
	return string(r.wrap("sip:"+from+"@example.com", "sip:team@example.com", id))
}

func TestNoDateTimeInJanuary(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 202)
		m.says(101, "team", "hi")
		m.posts(101, cpimType, "", strings.Replace(cpimOf("alice", "x", "hi"), "2026-11-22", "2026-01-22", 1))
		for _, got := range m.phones.texts(202) {
			if strings.Contains(got, "DateTime") || !strings.Contains(got, "imdn.Message-ID") {
				t.Errorf("%s", got)
			}
		}
		expect(t, "trace", m.archive.deliveries(202), []string{"1 0 skipped: roster", "2 200 wrapped", "3 200 undated"})
	})
}

// A room wants From, To and a type; what has none of them is put right.
func TestPoorCPIMIsWrappedAnew(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 202, 301)
		m.posts(101, cpimType, "", "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: poor\r\n\r\nContent-Type: text/plain\r\n\r\nhi")
		got := m.phones.texts(202)
		if len(got) != 1 || !strings.Contains(got[0], "From: \"爱丽丝\"<sip:alice@example.com>\r\nTo: <sip:team@example.com>\r\n") || !strings.Contains(got[0], "Message-ID: poor\r\n") {
			t.Errorf("%q", got)
		}
		expect(t, "text phone", m.phones.texts(301), []string{"爱丽丝: hi"})
	})
}

func TestGroupOrderThroughLossAndAbsence(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 201, 202, 301, 302)
		failures := 0
		m.phones.answer(201, func(*sip.Request) int {
			if failures++; failures%3 == 0 {
				return 503
			}
			return 200
		})
		var want []string
		for i := range 60 {
			if i == 20 {
				m.leaves(301)
			}
			m.sends([]store.DeviceID{101, 202}[i%2], "team", "text/plain", "", fmt.Sprint(i))
			want = append(want, fmt.Sprintf("%s: %d", [...]string{"爱丽丝", "鲍勃"}[i%2], i))
		}
		time.Sleep(3 * time.Hour)
		m.registers(301, "")
		expect(t, "away and back", m.phones.texts(301), want)
		own := strings.ReplaceAll(strings.Join(want, "\n"), "鲍勃", "我")
		expect(t, "the one that fails at times", m.phones.texts(201), strings.Split(own, "\n"))
		if n := len(m.phones.texts(302)); n != 60 {
			t.Errorf("%d in the room", n)
		}
	})
}

// Who comes gets what was before him first, whatever is said in that moment.
func TestJoinWithBacklog(t *testing.T) {
	inMeetingWith(t, Config{}, group.Config{Defaults: store.GroupPolicy{History: 2}}, func(m *meeting) {
		m.arrives(101, 201, 401, 402)
		for i := range 4 {
			m.says(101, "team", fmt.Sprint(i))
		}
		m.archive.groups.told = func() { // committed, and not yet told to anybody
			m.archive.groups.told = nil
			m.sends(201, "team", "text/plain", "", "welcome")
			time.Sleep(time.Second)
		}
		m.forget()
		m.does(1, group.Add{Users: []store.UserID{4}})
		notice := "* 爱丽丝 邀请了 戴夫"
		got := m.phones.texts(401)
		if len(got) != 4 || !strings.HasPrefix(got[2], "* ") {
			t.Fatalf("%q, want a notice like %q in it", got, notice)
		}
		expect(t, "who came", got, []string{"爱丽丝: 2", "爱丽丝: 3", got[2], "鲍勃: welcome"})
		if n := len(m.phones.texts(402)); n != 3 { // no notice: it shows the roster
			t.Errorf("%d in the room", n)
		}
		expect(t, "who was there", m.phones.texts(101), []string{got[2], "鲍勃: welcome"})
	})
}

// What was written while he was a member is his, nothing after it.
func TestKickedUnderWay(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 201, 301, 302)
		release := make(chan struct{})
		m.phones.answer(301, func(*sip.Request) int { <-release; return 200 })
		m.sends(101, "team", "text/plain", "", "before")
		m.archive.groups.told = func() { // the kick is in the archive, and nobody knows
			m.archive.groups.told = nil
			m.sends(201, "team", "text/plain", "", "after")
			time.Sleep(time.Second)
		}
		go func() { time.Sleep(2 * time.Second); close(release) }()
		m.does(1, group.Remove{Users: []store.UserID{3}})
		m.says(101, "team", "long after")
		time.Sleep(time.Minute)
		got := m.phones.texts(301)
		if len(got) != 2 || got[0] != "爱丽丝: before" || !strings.HasPrefix(got[1], "* ") {
			t.Errorf("who was removed got %q", got)
		}
		for _, text := range m.phones.texts(302) {
			if strings.Contains(text, "after") {
				t.Errorf("his Linphone got %q", text)
			}
		}
		if got := m.phones.texts(101); len(got) != 2 || !strings.HasPrefix(got[0], "* ") || got[1] != "鲍勃: after" {
			t.Errorf("who stayed got %q", got)
		}
	})
}

// Who was removed while his phone was away gets what was written before, under the
// names of that time.
func TestKickedWhileAway(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 201, 301, 302)
		for _, d := range []store.DeviceID{201, 301, 302} {
			m.leaves(d)
		}
		m.says(101, "team", "before")
		m.does(1, group.Rename{Subject: "新名"})
		m.does(1, group.Remove{Users: []store.UserID{3}})
		m.does(1, group.Rename{Subject: "裁员名单"})
		m.does(1, group.SetNickname{User: 1, Nickname: "总监"})
		m.circulation = circulation{} // it was long ago
		m.registers(201, "")
		m.registers(301, "")
		m.registers(302, linphoneSpecs)
		expect(t, "who stayed", m.phones.texts(201)[:1], []string{"总监: before"})
		expectHeaders(t, "who stayed", m.phones.got[201][0], map[string]string{"From": `"裁员名单" <sip:team@example.com>`})
		expect(t, "who was removed", m.phones.texts(301)[:1], []string{"爱丽丝: before"})
		for _, d := range []store.DeviceID{301, 302} {
			if len(m.phones.got[d]) == 0 {
				t.Errorf("%d got nothing", d)
			}
			for _, req := range m.phones.got[d] {
				if text := wire.Header(req, "From") + string(req.Body()); strings.Contains(text, "裁员") || strings.Contains(text, "总监") {
					t.Errorf("%d got %q", d, text)
				}
			}
		}
		expectHeaders(t, "who was removed", m.phones.got[301][0], map[string]string{"From": `"新名" <sip:team@example.com>`})
		m.does(1, group.Dissolve{})
		m.registers(303, "")
		expectHeaders(t, "after its end", m.phones.got[303][0], map[string]string{"From": `"新名" <sip:team@example.com>`})
	})
}

// To who is not in it a group does not exist.
func TestOutsidersSeeNoGroup(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 201, 401)
		unknown := m.says(401, "nobody", "hi")
		for _, a := range []*answers{
			m.says(401, "team", "hi"), m.says(401, "TEAM", "hi"), m.says(401, "conference-factory", "hi"), m.says(101, "conference-factory", "hi"),
			m.posts(401, cpimType, "", cpimOf("dave", "x", "hi")),
			m.posts(401, cpimType, "", receiptOf("dave", "x", "y", "display", "displayed")),
		} {
			if a.status != 404 || *a != *unknown {
				t.Errorf("answered %d %q", a.status, a.warning)
			}
		}
		m.does(1, group.Remove{Users: []store.UserID{2}})
		m.forget()
		if a := m.says(201, "team", "still here?"); a.status != 404 {
			t.Errorf("who was removed is answered %d", a.status)
		}
		expect(t, "a member", m.phones.texts(101), nil)
		if a := m.says(101, "TEAM", "hi"); a.status != 202 {
			t.Errorf("a member is answered %d", a.status)
		}
	})
}

func TestMuted(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 102, 201, 202, 301)
		m.does(1, group.Mute{User: 2, Until: time.Now().Add(time.Hour)})
		m.forget()
		if a := m.says(201, "team", "x"); a.status != 403 || !strings.Contains(a.warning, "禁言") {
			t.Errorf("%d %q", a.status, a.warning)
		}
		if a := m.posts(202, cpimType, "", composingIn("bob")); a.status != 200 {
			t.Errorf("who writes is answered %d", a.status)
		}
		synctest.Wait()
		if m.phones.texts(102) != nil || m.phones.texts(301) != nil {
			t.Errorf("%q %q", m.phones.texts(102), m.phones.texts(301))
		}
		time.Sleep(2 * time.Hour)
		if a := m.says(201, "team", "x"); a.status != 202 {
			t.Errorf("after its end %d", a.status)
		}
		m.does(1, group.MuteAll{On: true})
		if a := m.says(201, "team", "x"); a.status != 403 || a.warning == "" {
			t.Errorf("all muted: %d", a.status)
		}
		if a := m.says(101, "team", "x"); a.status != 202 {
			t.Errorf("the owner: %d", a.status)
		}
	})
}

// What was accepted is so when it comes again, whatever its writer may by now; and it
// costs him nothing.
func TestRepetitionNeedsNoRights(t *testing.T) {
	inMeetingWith(t, Config{}, group.Config{Defaults: store.GroupPolicy{AllDaily: 2, MentionAll: store.RoleMember}}, func(m *meeting) {
		m.arrives(101, 201, 202)
		private := func() *answers {
			return m.posts(202, cpimType, "", strings.Replace(cpimOf("bob", "p", "psst"), "To: <sip:team@", "To: <sip:alice@", 1))
		}
		bare := func(callID string) *answers {
			a := m.submits(201, callID, "team", "text/plain", "", "@all fire")
			synctest.Wait()
			return a
		}
		expectAnswers := func(when string, want int, got ...*answers) {
			t.Helper()
			for i, a := range got {
				if a.status != want {
					t.Errorf("%s, %d: %d %q, want %d", when, i, a.status, a.warning, want)
				}
			}
		}
		again := func() []*answers {
			return []*answers{m.writes(202, "all-1", "@all one"), m.writes(202, "all-1", "@all one"), bare("fire"), private()}
		}
		expectAnswers("at first", 202, again()...)
		kept := len(m.archive.msgs)
		expectAnswers("the quota is used up", 403, m.writes(202, "all-2", "@all two"), bare("another-fire"))
		m.does(1, group.Mute{User: 2, Until: time.Now().Add(48 * time.Hour)})
		expectAnswers("muted", 403, m.writes(202, "id-3", "three"))
		expectAnswers("again", 202, again()...)
		if got := len(m.archive.msgs) - kept; got != 1 {
			t.Errorf("%d more in the archive than the notice", got-1)
		}
		time.Sleep(25 * time.Hour)
		expectAnswers("long after", 403, again()...)
	})
}

func composingIn(from string) string {
	return "From: <sip:" + from + "@example.com>\r\nTo: <sip:team@example.com>\r\n\r\nContent-Type: " + composingType + "\r\n\r\n" +
		`<?xml version="1.0"?><isComposing xmlns="` + nsComposing + `"><state>active</state><refresh>60</refresh></isComposing>`
}

func TestComposingInARoom(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 102, 103, 201, 202, 302)
		m.rooms.set(302, focus.Joining)
		a := m.posts(102, cpimType, "Content-Encoding: deflate\r\nPriority: non-urgent\r\n", string(deflated(composingIn("alice"))))
		if a.status != 200 || len(m.archive.msgs) != 1 {
			t.Errorf("%d, %d in the archive", a.status, len(m.archive.msgs))
		}
		expect(t, "in the room", m.phones.texts(202), []string{string(deflated(composingIn("alice")))})
		for _, d := range []store.DeviceID{101, 102, 103, 201, 302} {
			expect(t, fmt.Sprint(d), m.phones.texts(d), nil)
		}
		m.posts(101, composingType, "", composingIn("alice")[strings.Index(composingIn("alice"), "<?xml"):])
		if n := len(m.phones.texts(202)); n != 1 {
			t.Errorf("what is not in CPIM came into the room: %q", m.phones.texts(202))
		}
	})
	inMeetingWith(t, Config{Receipts: 2}, group.Config{}, func(m *meeting) {
		m.arrives(102, 202)
		m.posts(102, cpimType, "", composingIn("alice"))
		expect(t, "in a large group", m.phones.texts(202), nil)
	})
}

func TestForgedAuthorInAGroup(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(102, 202)
		for _, from := range []string{"bob", "team"} {
			if a := m.posts(102, cpimType, "", cpimOf(from, "f", "I am "+from)); a.status != 403 {
				t.Errorf("as %s: %d", from, a.status)
			}
			if a := m.posts(102, cpimType, "", receiptOf(from, "f", "x", "display", "displayed")); a.status != 403 {
				t.Errorf("receipt as %s: %d", from, a.status)
			}
		}
		gruu := strings.Replace(cpimOf("alice", "g", "hi"), "alice@example.com", "alice@example.com;gr=urn:uuid:1", 1)
		a := m.posts(102, cpimType, "", gruu)
		if a.status != 202 {
			t.Errorf("from a GRUU: %d", a.status)
		}
		expect(t, "bob", m.phones.texts(202), []string{gruu})
	})
}

// CPIM inside of what a member writes could name another author.
func TestNestedCPIM(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(102, 202)
		head, _, _ := strings.Cut(cpimOf("alice", "n", ""), "Content-Type:")
		inner := cpimOf("bob", "inner", "I am bob")
		within := func(open string) string { return "--b\r\n" + open + inner + "\r\n--b--\r\n" }
		mixed := "Content-Type: multipart/mixed;boundary=b\r\n\r\n"
		for what, c := range map[string][2]string{
			"in CPIM":                  {cpimType, head + "Content-Type: message/cpim\r\n\r\n" + inner},
			"with a parameter":         {cpimType, head + "content-type: Message/CPIM; charset=utf-8\r\n\r\n" + inner},
			"under two types":          {cpimType, head + "Content-Type: text/plain\r\nContent-Type: message/cpim\r\n\r\n" + inner},
			"in a part":                {cpimType, head + mixed + within("Content-Type: message/cpim\r\n\r\n")},
			"in a part, folded":        {cpimType, head + mixed + within("Content-type :\r\n Message/cpim\r\n\r\n")},
			"in a part of a part":      {cpimType, head + mixed + "--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\nContent-Type: message/cpim\r\n\r\n" + inner + "\r\n--c--\r\n--b--\r\n"},
			"in a part of a bare body": {"multipart/mixed;boundary=b", within("Content-Type: message/cpim\r\n\r\n")},
			"with no boundary":         {"multipart/mixed", within("Content-Type: message/cpim\r\n\r\n")},
		} {
			if a := m.posts(102, c[0], "", c[1]); a.status != 400 || !strings.Contains(a.warning, "inside") {
				t.Errorf("%s: %d %q", what, a.status, a.warning)
			}
		}
		expect(t, "bob", m.phones.texts(202), nil)
		if a := m.posts(102, cpimType, "", head+mixed+"--b\r\nContent-Type: text/plain\r\n\r\nWhat is message/cpim?\r\n--b--\r\n"); a.status != 202 {
			t.Errorf("who only speaks of it is answered %d %q", a.status, a.warning)
		}
		if a := m.says(102, "team", inner); a.status != 202 || !strings.Contains(m.phones.texts(202)[1], "text/plain") {
			t.Errorf("as text it is text: %d, %q", a.status, m.phones.texts(202))
		}
	})
}

// Linphone 5.1 dies of a bare receipt in a room.
func TestBareReceiptIntoAGroup(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 102, 201, 202)
		m.says(101, "team", "hi")
		callID := wire.Header(m.phones.got[201][0], "Call-ID")
		m.forget()
		for _, status := range []string{"delivered", "displayed"} {
			r := receipt{MessageID: callID, About: map[string]string{"delivered": "delivery", "displayed": "display"}[status], Status: status, At: time.Now()}
			if a := m.posts(201, imdnType, "", string(r.bytes())); a.status != 200 && status == "delivered" {
				t.Errorf("answered %d", a.status)
			}
			synctest.Wait()
		}
		for d := range m.phones.got {
			t.Errorf("%d got %q", d, m.phones.texts(d))
		}
		if m.archive.reads[2] != 2 {
			t.Errorf("bob has read up to %d", m.archive.reads[2])
		}
		other := receipt{MessageID: "0000000000009999@example.com", About: "display", Status: "displayed", At: time.Now()}
		a := m.posts(201, imdnType, "", string(other.bytes()))
		if a.status != 200 {
			t.Errorf("about nothing: %d", a.status)
		}
	})
}

func TestReceiptsInAGroup(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		time.Sleep(40 * 24 * time.Hour) // no DateTime in January
		m.arrives(101, 102, 202, 203, 302)
		m.rooms.set(203, focus.Inside)
		m.writes(102, "id-1", "one")
		m.writes(302, "id-2", "two")
		m.forget()
		displayed := receiptOf("bob", "r-1", "id-1", "display", "displayed")
		a := m.posts(202, cpimType, "Priority: non-urgent\r\n", displayed)
		if a.status != 202 {
			t.Errorf("answered %d", a.status)
		}
		expect(t, "the writer", m.phones.texts(102), []string{displayed})
		expect(t, "his text phone", m.phones.texts(101), nil)
		expect(t, "the reader's other device", m.phones.texts(203), []string{displayed})
		expect(t, "others", m.phones.texts(302), nil)
		expectHeaders(t, "receipt", m.phones.got[102][0], map[string]string{"From": "<sip:team@example.com>", "Priority": "non-urgent"})
		if m.archive.reads[2] != 2 {
			t.Errorf("read up to %d", m.archive.reads[2])
		}
		// Once, however often it comes.
		m.forget()
		m.posts(202, cpimType, "", displayed)
		expect(t, "again", m.phones.texts(102), nil)

		// Several in one, compressed, about messages of two writers.
		m.forget()
		parts := "--b\r\nContent-Type: message/imdn+xml\r\n\r\n" + string(receipt{MessageID: "id-1", About: "delivery", Status: "delivered", At: time.Now()}.bytes()) +
			"\r\n--b\r\nContent-Type: message/imdn+xml\r\n\r\n" + string(receipt{MessageID: "id-2", About: "delivery", Status: "delivered", At: time.Now()}.bytes()) + "\r\n--b--\r\n"
		many := string(deflated("From: <sip:bob@example.com>\r\nTo: <sip:team@example.com>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: r-2\r\n\r\n" +
			"Content-Type: multipart/mixed;boundary=b\r\n\r\n" + parts))
		a = m.posts(202, cpimType, "Content-Encoding: deflate\r\n", many)
		if a.status != 202 {
			t.Errorf("several: %d", a.status)
		}
		expect(t, "the first writer", m.phones.texts(102), []string{many})
		expect(t, "the second writer", m.phones.texts(302), []string{many})

		// Of messages that nobody knows nothing is told.
		m.forget()
		a = m.posts(202, cpimType, "", receiptOf("bob", "r-3", "no-such", "display", "displayed"))
		if a.status != 200 || len(m.phones.got) != 0 {
			t.Errorf("about nothing: %d, %v", a.status, m.phones.got)
		}
		m.archive.fail = store.ErrUnavailable
		a = m.posts(202, cpimType, "", receiptOf("bob", "r-4", "id-1", "delivery", "delivered"))
		if a.status != 503 {
			t.Errorf("not kept: %d", a.status)
		}
		m.archive.fail = nil
	})
}

// A receipt is answered as if it were about nothing when its reader does not see the
// message, nobody has written it, or its writer has left.
func TestReceiptsThatNobodyIsTold(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(102, 202, 302, 402)
		m.writes(102, "id-1", "before")
		m.writes(302, "id-2", "mine")
		m.does(1, group.Add{Users: []store.UserID{4}})
		m.does(1, group.Remove{Users: []store.UserID{3}})
		name := func(gid int64) string { return store.GIDString(gid) + "@example.com" }
		for what, c := range map[string]struct {
			from        store.DeviceID
			name, about string
			read        int64
		}{
			"by its Message-ID, from before he came": {from: 402, name: "id-1"},
			"by its number, from before he came":     {from: 402, name: name(2)},
			"a notice":                               {from: 202, name: name(1), read: 1},
			"by who has left":                        {from: 202, name: "id-2", read: 3},
		} {
			for _, forgotten := range []bool{false, true} {
				if forgotten {
					m.recent = recent{}
				}
				m.forget()
				clear(m.archive.reads)
				kept := len(m.archive.msgs)
				a := m.posts(c.from, cpimType, "", receiptOf(m.people.owner(c.from).Username, fmt.Sprint("r", what, forgotten), c.name, "display", "displayed"))
				if a.status != 200 || len(m.archive.msgs) != kept {
					t.Errorf("%s: answered %d, %d kept", what, a.status, len(m.archive.msgs)-kept)
				}
				if got := m.archive.reads[store.UserID(c.from/100)]; got != c.read {
					t.Errorf("%s: read up to %d, want %d", what, got, c.read)
				}
				for d, got := range m.phones.got {
					t.Errorf("%s: %d was told %q", what, d, got[0].Body())
				}
			}
		}
	})
}

// Who gives his message the name of somebody else's does not get the receipts for it.
func TestReceiptsOfANamesake(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		time.Sleep(40 * 24 * time.Hour) // no DateTime in January
		m.arrives(102, 202, 302)
		m.writes(102, "id-1", "mine")
		m.writes(302, "id-1", "mine too")
		for _, from := range []string{"memory", "archive"} {
			if from == "archive" {
				m.recent = recent{}
			}
			m.forget()
			displayed := receiptOf("bob", "r-"+from, "id-1", "display", "displayed")
			m.posts(202, cpimType, "", displayed)
			expect(t, from+", the first", m.phones.texts(102), []string{displayed})
			expect(t, from+", the second", m.phones.texts(302), nil)
			if m.archive.reads[2] != 2 {
				t.Errorf("%s: read up to %d", from, m.archive.reads[2])
			}
		}
	})
}

// In a large group receipts are counted, not sent.
func TestReceiptsInALargeGroup(t *testing.T) {
	inMeetingWith(t, Config{Receipts: 2}, group.Config{}, func(m *meeting) {
		m.arrives(102, 201, 202)
		m.writes(102, "id-1", "one") // a text phone takes it: nothing is said in its place
		m.forget()
		kept := len(m.archive.msgs)
		for _, what := range [][2]string{{"delivery", "delivered"}, {"display", "displayed"}} {
			a := m.posts(202, cpimType, "", receiptOf("bob", "r-"+what[0], "id-1", what[0], what[1]))
			synctest.Wait()
			if a.status != 200 {
				t.Errorf("%s: %d", what[0], a.status)
			}
		}
		expect(t, "the writer", m.phones.texts(102), nil)
		if m.archive.reads[2] != 2 || len(m.archive.msgs) != kept {
			t.Errorf("read up to %d, archive %d, want %d", m.archive.reads[2], len(m.archive.msgs), kept)
		}
	})
}

// A text phone cannot confirm: it is done in its user's name.
func TestTextPhonesAreConfirmed(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(102, 201, 203, 302)
		m.phones.answer(203, always(405))
		m.writes(102, "id-1", "one")
		got := m.phones.texts(102)
		if len(got) != 1 || !strings.HasPrefix(got[0], "From: <sip:bob@example.com>\r\nTo: <sip:team@example.com>\r\n") || !strings.Contains(got[0], "<delivered/>") {
			t.Errorf("%q", got)
		}

		// Who has left is told no more.
		m.leaves(201)
		m.writes(302, "id-2", "two")
		m.does(1, group.Remove{Users: []store.UserID{3}})
		m.forget()
		m.registers(201, "")
		if len(m.phones.texts(201)) < 2 || m.phones.texts(201)[0] != "carol: two" || len(m.phones.texts(302)) != 0 {
			t.Errorf("given: %q, told: %q", m.phones.texts(201), m.phones.texts(302))
		}
	})
}

func TestPrivateThroughTheGroup(t *testing.T) {
	to := func(who string) string {
		return strings.Replace(cpimOf("alice", "p-"+who, "unter uns"), "<sip:team@", "<sip:"+who+"@", 1)
	}
	inMeeting(t, func(m *meeting) {
		m.arrives(102, 201, 202, 301)
		a := m.posts(102, cpimType, "", to("bob"))
		if a.status != 202 {
			t.Errorf("answered %d", a.status)
		}
		expect(t, "Linphone of the member", m.phones.texts(202), []string{to("bob")})
		expect(t, "his text phone", m.phones.texts(201), []string{"unter uns"})
		expect(t, "others", m.phones.texts(301), nil)
		expectHeaders(t, "private", m.phones.got[202][0], map[string]string{"From": `"爱丽丝" <sip:alice@example.com>`})
		if last := m.archive.msgs[1]; last.Group != 0 || last.From != 1 || last.To != 2 {
			t.Errorf("kept as %+v", last)
		}
		for _, who := range []string{"dave", "nobody", "other-team"} {
			if a := m.posts(102, cpimType, "", to(who)); a.status != 404 {
				t.Errorf("to %s: %d", who, a.status)
			}
		}
		m.does(1, group.SetPolicy{Policy: store.GroupPolicy{Private: store.RoleNobody}})
		if a := m.posts(102, cpimType, "", strings.Replace(to("bob"), "p-bob", "p2", 1)); a.status != 403 || a.warning == "" {
			t.Errorf("forbidden: %d %q", a.status, a.warning)
		}
		synctest.Wait()
	})
}

// What is said while a device is on its way into the room waits for that.
func TestJoiningWaits(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 202, 302)
		for _, d := range []store.DeviceID{202, 302} {
			m.rooms.set(d, focus.Joining)
		}
		m.says(101, "team", "one")
		m.says(101, "bob", "between us")
		m.says(101, "team", "two")
		expect(t, "joining", m.phones.texts(202), nil)
		m.registers(202, linphoneSpecs)
		expect(t, "joining still", m.phones.texts(202), nil)
		m.rooms.set(202, focus.Inside)
		m.Joined(2, 202)
		synctest.Wait()
		got := m.phones.texts(202)
		if len(got) != 3 || !strings.HasSuffix(got[0], "one") || got[1] != "between us" || !strings.HasSuffix(got[2], "two") {
			t.Errorf("%q", got)
		}
		m.rooms.set(302, focus.Outside) // it refused
		m.Joined(3, 302)
		synctest.Wait()
		expect(t, "refused", m.phones.texts(302), []string{"爱丽丝: one", "爱丽丝: two"})
	})
}

// The rest of what is written to somebody does not wait for a room for ever.
func TestJoiningIsNotWaitedForForEver(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 202)
		m.rooms.set(202, focus.Joining)
		m.says(101, "team", "one")
		m.says(101, "bob", "between us")
		time.Sleep(roomPatience - time.Second)
		m.registers(202, linphoneSpecs) // another try
		time.Sleep(roomPatience - time.Second)
		expect(t, "with patience", m.phones.texts(202), nil)
		time.Sleep(2 * time.Second)
		expect(t, "without", m.phones.texts(202), []string{"爱丽丝: one", "between us"})
		m.says(101, "team", "two")
		expect(t, "and what comes then", m.phones.texts(202)[2:], []string{"爱丽丝: two"})
		m.registers(202, linphoneSpecs)
		m.says(101, "team", "three")
		m.rooms.set(202, focus.Inside)
		m.Joined(2, 202)
		synctest.Wait()
		time.Sleep(2 * roomPatience)
		if got := m.phones.texts(202); len(got) != 4 || !strings.Contains(got[3], "Message-ID") {
			t.Errorf("in the room at last: %q", got)
		}
	})
}

// Who waits for a room and is removed gets what is his all the same; that he is out he
// learns from the focus.
func TestRemovedWhileJoining(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 302)
		m.rooms.set(302, focus.Joining)
		m.says(101, "team", "one")
		m.does(1, group.Remove{Users: []store.UserID{3}})
		expect(t, "what was said while he was in", m.phones.texts(302), []string{"爱丽丝: one"})
	})
}

func TestNoticesAreForTextPhones(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.registers(101, "")
		m.rooms.set(102, focus.Inside)
		m.registers(102, linphoneSpecs)
		if got := m.phones.texts(101); len(got) != 1 || !strings.HasPrefix(got[0], "* ") {
			t.Errorf("the creation: %q", got)
		}
		m.does(1, group.Rename{Subject: "测试"})
		if got := m.phones.texts(101); len(got) != 2 || !strings.Contains(got[1], "测试") {
			t.Errorf("the actor: %q", got)
		}
		expect(t, "in the room", m.phones.texts(102), nil)
		expectHeaders(t, "notice", m.phones.got[101][1], map[string]string{"From": `"测试" <sip:team@example.com>`, "Call-ID": "0000000000000002@example.com"})
	})
}

func TestGroupDuplicates(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 102, 201, 202)
		for i := range 2 {
			m.submits(102, fmt.Sprint("new-", i), "team", cpimType, "", cpimOf("alice", "same", "once"))
			m.submits(101, "same", "team", "text/plain", "", "twice")
			synctest.Wait()
		}
		expect(t, "bob", m.phones.texts(201), []string{"爱丽丝: once", "爱丽丝: twice"})
		m.writes(202, "same", "another one's") // every client names its messages by itself
		expect(t, "alice", m.phones.texts(101), []string{"我: once", "鲍勃: another one's"})
	})
}

// What was committed before a restart, and told to nobody, is delivered when its
// sender says it again.
func TestRepetitionAfterARestart(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 201)
		f := m.fanouts.find(m.team.ID)
		f.mu.Lock()
		f.seq, f.busy = sequence{}, true
		f.mu.Unlock()
		m.submits(101, "same", "team", "text/plain", "", "once")
		synctest.Wait()
		f.mu.Lock()
		f.seq, f.busy = sequence{}, false // as after a restart
		f.mu.Unlock()
		m.log.take()
		a := m.submits(101, "same", "team", "text/plain", "", "once")
		synctest.Wait()
		if a.status != 202 {
			t.Errorf("answered %d", a.status)
		}
		expect(t, "bob", m.phones.texts(201), []string{"爱丽丝: once"})
	})
}

// Nobody knows whether it was committed: the phones look, and what comes next is
// in its order.
func TestOutcomeUnknownInAGroup(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 201)
		m.archive.fail = errors.Join(store.ErrUnknown)
		if a := m.says(101, "team", "lost?"); a.status == 202 {
			t.Errorf("answered %d", a.status)
		}
		m.archive.fail = nil
		m.says(101, "team", "one")
		time.Sleep(minBackoff) // the archive could not be read
		m.says(101, "team", "two")
		expect(t, "bob", m.phones.texts(201), []string{"爱丽丝: one", "爱丽丝: two"})
	})
}

// Somebody has written into the conversation and told nobody: the phones get all
// of it a little later.
func TestGapInAGroup(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 201)
		m.archive.commit(&store.NewMessage{Kind: store.KindText, From: 1, Group: m.team.ID, ContentType: "text/plain", Body: []byte("past us")})
		m.says(101, "team", "one")
		expect(t, "at first", m.phones.texts(201), nil)
		time.Sleep(2 * gapPatience)
		m.says(101, "team", "two")
		expect(t, "then", m.phones.texts(201), []string{"爱丽丝: past us", "爱丽丝: one", "爱丽丝: two"})
	})
}

// A message between two that was committed later may be given sooner.
func TestGroupsAndPairsOvertakeOneAnother(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 201)
		f := m.fanouts.find(m.team.ID)
		f.mu.Lock()
		f.busy = true // its worker is slow
		f.mu.Unlock()
		m.says(101, "team", "group")
		m.says(101, "bob", "pair")
		f.mu.Lock()
		f.busy = false
		m.Service.start(f)
		f.mu.Unlock()
		synctest.Wait()
		expect(t, "bob", m.phones.texts(201), []string{"pair", "爱丽丝: group"})
	})
}

func TestOwnDevicesInGroups(t *testing.T) {
	inMeetingWith(t, Config{OwnDevices: "off"}, group.Config{}, func(m *meeting) {
		m.arrives(101, 103, 201)
		m.says(101, "team", "hi")
		expect(t, "own other phone", m.phones.texts(103), nil)
		expect(t, "bob", m.phones.texts(201), []string{"爱丽丝: hi"})
	})
}

func TestMentionsAreKept(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 201)
		m.says(101, "team", "@鲍勃 @carol 开会")
		if got := m.archive.msgs[1].Mentions; fmt.Sprint(got) != "[2 3]" {
			t.Errorf("mentions %v", got)
		}
		m.says(101, "team", "@all 开会")
		if got := m.archive.msgs[2].Mentions; fmt.Sprint(got) != "[0]" {
			t.Errorf("mentions %v", got)
		}
		if a := m.says(201, "team", "@所有人 hi"); a.status != 403 || a.warning == "" {
			t.Errorf("everybody, by a member: %d %q", a.status, a.warning)
		}
	})
}

// A device that cannot show the original gets text from then on, as one outside.
func TestRoomDeviceRefusesCPIM(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 102, 202)
		m.phones.answer(202, func(r *sip.Request) int {
			if wire.Header(r, "Content-Type") == cpimType {
				return 488
			}
			return 200
		})
		m.writes(102, "id", "hi")
		expect(t, "bob", m.phones.texts(202), []string{"爱丽丝: hi"})
		expectHeaders(t, "text", m.phones.got[202][0], map[string]string{"From": `"研发" <sip:team@example.com>`, "To": "<sip:bob@example.com>", "Session-mode": ""})
	})
}

// A group that is no more owes what was written in it.
func TestDissolvedGroupOwes(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 301)
		m.leaves(301)
		m.says(101, "team", "last words")
		m.does(1, group.Dissolve{})
		m.forget()
		m.registers(301, "")
		got := m.phones.texts(301)
		if len(got) != 2 || got[0] != "爱丽丝: last words" {
			t.Fatalf("%q", got)
		}
		expectHeaders(t, "owed", m.phones.got[301][0], map[string]string{"From": `"研发" <sip:team@example.com>`})
		if a := m.says(101, "team", "anybody?"); a.status != 404 {
			t.Errorf("answered %d", a.status)
		}
		time.Sleep(2 * sweepEvery)
		synctest.Wait()
		if n := len(m.fanouts.of); n != 0 {
			t.Errorf("%d groups are remembered", n)
		}
	})
}

// A discussion without a name bears those of the others in it.
func TestUnnamedGroupIsNamedForEachMember(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 201, 301)
		g, err := m.groups.Create(t.Context(), group.Actor{User: 1}, store.Group{}, []store.UserID{2, 3})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		m.forget()
		m.says(101, g.Name, "hi")
		expectHeaders(t, "bob", m.phones.got[201][0], map[string]string{"From": `"爱丽丝、carol" <` + g.URI() + ">"})
	})
}

// New devices that show history get some; text phones do not.
func TestReplay(t *testing.T) {
	inMeetingWith(t, Config{Replay: 50}, group.Config{}, func(m *meeting) {
		m.arrives(201, 202)
		if got := fmt.Sprint(m.archive.replays); got != "map[201:0 202:50]" {
			t.Errorf("%s", got)
		}
	})
}

// duty answers commands.
type duty struct{ slow chan struct{} }

func (duty) Is(text string) bool { return strings.HasPrefix(text, "/") }

func (d duty) Do(_ context.Context, by store.User, in *group.Snapshot, text string) string {
	if d.slow != nil {
		<-d.slow
	}
	if in == nil {
		return by.Username + ": " + text
	}
	return by.Username + " in " + in.Name + ": " + text
}

func TestCommands(t *testing.T) {
	inMeetingWith(t, Config{Commands: duty{}, Assistant: store.User{ID: 5, Username: "assistant", Domain: "example.com", DisplayName: "助手"}}, group.Config{}, func(m *meeting) {
		m.people.add("assistant", "助手")
		m.arrives(101, 102, 201, 202, 401)
		m.does(1, group.Mute{User: 2, Until: time.Now().Add(time.Hour)})
		m.forget()
		for range 2 {
			a := m.submits(201, "cmd", "team", "text/plain", "", " /members\n")
			if synctest.Wait(); a.status != 202 {
				t.Errorf("answered %d", a.status)
			}
		}
		expect(t, "who asked", m.phones.texts(201), []string{"bob in team: /members"})
		expect(t, "his Linphone", m.phones.texts(202), []string{"我:  /members\n", "bob in team: /members"})
		expect(t, "others", m.phones.texts(101), nil)
		expectHeaders(t, "the answer", m.phones.got[201][0], map[string]string{"From": `"助手" <sip:assistant@example.com>`})

		m.posts(102, cpimType, "", cpimOf("alice", "c", "/pin"))
		m.says(401, "assistant", "help")
		expect(t, "from CPIM", m.phones.texts(102), []string{"alice in team: /pin"})
		expect(t, "to the assistant", m.phones.texts(401), []string{"dave: help"})
		if a := m.says(401, "team", "/members"); a.status != 404 {
			t.Errorf("a command of an outsider: %d", a.status)
		}
	})
}

func TestCommandsAreBounded(t *testing.T) {
	inMeetingWith(t, Config{}, group.Config{}, func(m *meeting) {
		slow := make(chan struct{})
		m.cfg.Commands, m.cfg.Assistant = duty{slow}, store.User{ID: 5}
		m.arrives(101)
		for i := range maxErrandsEach + 1 {
			a := m.says(101, "team", "/x")
			if refused := i == maxErrandsEach; refused != (a.status == 503) || !refused && a.status != 202 {
				t.Errorf("command %d: answered %d", i, a.status)
			}
		}
		m.arrives(201) // others are served
		if a := m.says(201, "team", "/x"); a.status != 202 {
			t.Errorf("another user: answered %d", a.status)
		}
		close(slow)
		synctest.Wait()
		if a := m.says(101, "team", "/x"); a.status != 202 {
			t.Errorf("answered %d", a.status)
		}
	})
}

func TestGroupMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	inMeetingWith(t, Config{Registerer: reg}, group.Config{}, func(m *meeting) {
		m.arrives(101, 201)
		m.archive.commit(&store.NewMessage{Kind: store.KindText, From: 1, Group: m.team.ID})
		m.says(101, "team", "behind a gap")
		if n, err := testutil.GatherAndCount(reg, "sparkle_chat_fanout_seconds", "sparkle_chat_group_merged_total", "sparkle_chat_commands_total"); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		want := "# HELP sparkle_chat_group_steps Messages and changes of groups that wait for their turn.\n# TYPE sparkle_chat_group_steps gauge\nsparkle_chat_group_steps 1\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "sparkle_chat_group_steps"); err != nil {
			t.Error(err)
		}
	})
}
