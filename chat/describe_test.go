package chat

import (
	"reflect"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/store"
)

func TestDescribe(t *testing.T) {
	const plain, reaction = "Content-Type: text/plain\r\n", "Content-Type: text/plain\r\nContent-Disposition: Reaction\r\n"
	voice := `<?xml version="1.0"?><file xmlns="urn:gsma:params:xml:ns:rcs:rcs:fthttp" xmlns:am="urn:gsma:params:xml:ns:rcs:rcs:rram">` +
		`<file-info type="file"><file-size>9</file-size><file-name>a%20b.wav</file-name><content-type>audio/wav</content-type>` +
		`<am:playing-length>1500</am:playing-length><data url="https://example.com/f"/></file-info></file>`
	parts := "--b\r\nContent-Type: text/plain\r\n\r\n看\r\n--b\r\nContent-Type: " + fileType + "\r\n\r\n" + voice + "\r\n--b\r\nContent-Type: text/plain\r\n\r\n完\r\n--b--\r\n"
	attached := []Attachment{{Name: "a b.wav", Size: 9, ContentType: "audio/wav", URL: "https://example.com/f", Playing: 1500 * time.Millisecond}}
	for _, c := range []struct {
		name, contentType, body string
		want                    Description
	}{
		{"text", "text/plain", "你好", Description{Text: "你好"}},
		{"reply", cpimType, cpimWith("linphone.Replying-To-Message-ID: 17\r\nlinphone.Replying-To-Sender: <sip:bob@example.com;gr=urn:uuid:1>\r\n", plain, "好"),
			Description{Text: "好", ReplyTo: "17", ReplyToSender: "bob@example.com"}},
		{"reaction", cpimType, cpimWith("linphone.In-Reply-To: 17\r\n", reaction, "👍"), Description{Text: "👍", ReactionTo: "17"}},
		{"reaction taken back", cpimType, cpimWith("linphone.In-Reply-To: 17\r\n", reaction, ""), Description{ReactionTo: "17"}},
		{"forward", cpimType, cpimWith("imdn.Forward-Info: sip:bob@example.com\r\n", plain, "x"), Description{Text: "x", ForwardedFrom: "bob@example.com"}},
		{"forward of nobody", cpimType, cpimWith("imdn.Forward-Info: Anonymous\r\n", plain, "x"), Description{Text: "x", ForwardedFrom: "anonymous"}},
		{"file", cpimType, cpimWith("", "Content-Type: "+fileType+"\r\n", voice), Description{Files: attached}},
		{"mixed", cpimType, cpimWith("", "Content-Type: multipart/mixed;boundary=b\r\n", parts), Description{Text: "看\n完", Files: attached}},
		{"unknown", "application/octet-stream", "\x00", Description{}},
		{"not CPIM", cpimType, "garbage", Description{}},
	} {
		m := store.Message{NewMessage: store.NewMessage{Kind: store.KindText, ContentType: c.contentType, Body: []byte(c.body), Text: "archived"}}
		if got := Describe(&m); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		m.Encoding = "br"
		if got := Describe(&m); got.Text != "archived" || got.Files != nil {
			t.Errorf("%s in an unknown encoding: %+v", c.name, got)
		}
	}
	n := store.Message{NewMessage: store.NewMessage{Kind: store.KindNotice, ContentType: "text/plain", Body: []byte("{}"), Text: "李四加入了群"}}
	if got := Describe(&n); got.Text != n.Text {
		t.Errorf("notice: %+v", got)
	}
}
