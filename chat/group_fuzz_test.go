package chat

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// FuzzGroupAccept: whatever a member sends into a group, he is answered once, what
// comes into the room is CPIM of its sender, text phones get text, and who is not
// in the group gets nothing.
func FuzzGroupAccept(f *testing.F) {
	f.Add("text/plain", "", []byte("hello @all"))
	f.Add(cpimType, "", []byte(cpimOf("bob", "id", "hello")))
	f.Add(cpimType, "", []byte(cpimOf("alice", "id", "forged")))
	f.Add(cpimType, "deflate", deflated(receiptOf("bob", "r", "id", "display", "displayed")))
	f.Add(cpimType, "", []byte(composingIn("bob")))
	f.Add(imdnType, "", receipt{MessageID: "0000000000000001@example.com", About: "display", Status: "displayed"}.bytes())
	f.Add(composingType, "", []byte(composingIn("bob")))
	f.Add("multipart/mixed;boundary=b", "", []byte("--b\r\nContent-Type: message/imdn+xml\r\n\r\n<imdn/>\r\n--b--"))
	f.Add(cpimType, "", []byte("From: <sip:bob@example.com>\nTo: <sip:alice@example.com>\n\nContent-Type: text/plain\n\nprivate"))
	f.Fuzz(func(t *testing.T, contentType, encoding string, body []byte) {
		if len(contentType) > 200 || wire.H("Content-Type", contentType).Value() != contentType {
			return // it would not come out of the parser
		}
		inMeeting(t, func(m *meeting) {
			m.arrives(101, 102, 202, 301, 401)
			sub := &submission{
				answerer: &answers{log: m.log}, content: content{}, origin: origin{flow: flowOf(202)}, fromTag: "t",
				msg: &store.Message{NewMessage: store.NewMessage{From: 2, CallID: "c", ContentType: contentType, Encoding: encoding, Body: body}},
			}
			sub.uri.User, sub.uri.Host, sub.sender.User, sub.sender.Host = "team", "example.com", "bob", "example.com"
			m.receive(sub)
			synctest.Wait()
			if n := strings.Count(strings.Join(m.log.take(), "\n"), "sender "); n != 1 {
				t.Errorf("answered %d times", n)
			}
			bob := &store.User{Username: "bob", Domain: "example.com"}
			for _, req := range ofGroup(m.phones.got[102]) {
				c, err := openContent(wire.Header(req, "Content-Type"), wire.Header(req, "Content-Encoding"), req.Body())
				if err != nil || !c.fitsRoom() || !writtenBy(c.cpim, bob) {
					t.Errorf("came into the room: %q", req.Body())
				}
			}
			for _, d := range []store.DeviceID{101, 301} {
				for _, req := range ofGroup(m.phones.got[d]) {
					if typ := wire.Header(req, "Content-Type"); typ != "text/plain;charset=UTF-8" {
						t.Errorf("a text phone got %s", typ)
					}
				}
			}
			if got := m.phones.got[401]; len(got) > 0 {
				t.Errorf("an outsider got %q", got[0].Body())
			}
		})
	})
}

// ofGroup leaves what came from the group: the rest is private.
func ofGroup(reqs []*sip.Request) (group []*sip.Request) {
	for _, req := range reqs {
		if strings.Contains(wire.Header(req, "From"), "<sip:team@") {
			group = append(group, req)
		}
	}
	return group
}
