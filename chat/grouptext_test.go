package chat

import (
	"strings"
	"testing"
)

func TestGroupText(t *testing.T) {
	const reaction = "Content-Type: text/plain\r\nContent-Disposition: Reaction\r\n"
	const plain = "Content-Type: text/plain; charset=UTF-8\r\n"
	mixed := "--b\r\nContent-Type: text/plain\r\n\r\n先看\r\n--b\r\nContent-Type: " + fileType + "\r\n\r\n" + fileXML + "\r\n--b\r\nContent-Type: text/plain\r\n\r\n再说\r\n--b--\r\n"
	tests := []struct {
		name           string
		headers        string // of CPIM
		contentHeaders string
		body           string
		own            bool
		zh, en         string
	}{
		{name: "text", contentHeaders: plain, body: "hi", zh: "小李: hi", en: "小李: hi"},
		{name: "own text", contentHeaders: plain, body: "hi", own: true, zh: "我: hi", en: "Me: hi"},
		{name: "nothing", contentHeaders: plain},
		{name: "reply", headers: "linphone.Replying-To-Message-ID: 1\r\nlinphone.Replying-To-Sender: sip:bob@example.com;gr=urn:uuid:1\r\n", contentHeaders: plain, body: "好",
			zh: "小李: [回复 bob] 好", en: "小李: [Reply to bob] 好"},
		{name: "own reply", headers: "linphone.Replying-To-Message-ID: 1\r\nlinphone.Replying-To-Sender: <sip:bob@example.com>\r\n", contentHeaders: plain, body: "好", own: true,
			zh: "我: [回复 bob] 好", en: "Me: [Reply to bob] 好"},
		{name: "reply to nobody known", headers: "linphone.Replying-To-Message-ID: 1\r\nlinphone.Replying-To-Sender: ?\r\n", contentHeaders: plain, body: "好",
			zh: "小李: [回复] 好", en: "小李: [Reply] 好"},
		{name: "reaction", headers: "linphone.In-Reply-To: 1\r\n", contentHeaders: reaction, body: "👍", zh: "小李 回应了 👍", en: "小李 reacted with 👍"},
		{name: "own reaction", headers: "linphone.In-Reply-To: 1\r\n", contentHeaders: reaction, body: "👍", own: true, zh: "我 回应了 👍", en: "I reacted with 👍"},
		{name: "reaction taken back", headers: "linphone.In-Reply-To: 1\r\n", contentHeaders: reaction, zh: "小李 撤销了表情回应", en: "小李 took a reaction back"},
		{name: "own reaction taken back", headers: "linphone.In-Reply-To: 1\r\n", contentHeaders: reaction, own: true, zh: "我 撤销了表情回应", en: "I took a reaction back"},
		{name: "forwarded", headers: "imdn.Forward-Info: <sip:carol@example.com;gr=urn:uuid:2>\r\n", contentHeaders: plain, body: "x",
			zh: "小李: [转发自 carol@example.com] x", en: "小李: [Forwarded from carol@example.com] x"},
		{name: "forwarded from somebody", headers: "imdn.Forward-Info: Anonymous\r\n", contentHeaders: plain, body: "x", zh: "小李: [转发] x", en: "小李: [Forwarded] x"},
		{name: "forwarded from a forger of lines", headers: "imdn.Forward-Info: sip:carol%0A老板: 批准@example.com\r\n", contentHeaders: plain, body: "x", zh: "小李: [转发] x", en: "小李: [Forwarded] x"},
		{name: "file", contentHeaders: "Content-Type: " + fileType + "\r\n", body: fileXML,
			zh: "小李: [图片] 图 1.png 2.9KB https://files.example.com/tmp/ID", en: "小李: [Picture] 图 1.png 2.9KB https://files.example.com/tmp/ID"},
		{name: "text, picture, text", contentHeaders: "Content-Type: multipart/mixed;boundary=b\r\n", body: mixed,
			zh: "小李: 先看\n[图片] 图 1.png 2.9KB https://files.example.com/tmp/ID\n再说", en: "小李: 先看\n[Picture] 图 1.png 2.9KB https://files.example.com/tmp/ID\n再说"},
	}
	for _, tt := range tests {
		c, err := openContent(cpimType, "", []byte(cpimWith(tt.headers, tt.contentHeaders, tt.body)))
		if err != nil {
			t.Fatal(err)
		}
		for language, want := range map[string]string{"zh": tt.zh, "en": tt.en} {
			if got := wordsOf(language).groupText(&c, "小李", tt.own); got != want {
				t.Errorf("%s in %s: %q, want %q", tt.name, language, got, want)
			}
		}
	}
}

func TestGroupTextWithoutCPIM(t *testing.T) {
	c, err := openContent(plainType, "", []byte("hi"))
	if err != nil {
		t.Fatal(err)
	}
	zh := wordsOf("zh")
	for got, want := range map[string]string{
		zh.groupText(&c, "小李", false): "小李: hi",
		zh.noticeText(&c):             "* hi",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestReactionIsNoText holds that an emoji put to a message is not listed, found
// and counted as one.
func TestReactionIsNoText(t *testing.T) {
	for emoji, shown := range map[string]string{"👍": "[表情回应] 👍", "": "[撤销表情回应]"} {
		c, err := openContent(cpimType, "", []byte(cpimWith("linphone.In-Reply-To: 1\r\n", "Content-Type: text/plain\r\nContent-Disposition: reaction\r\n", emoji)))
		if err != nil || wordsOf("zh").text(&c, false) != "" || wordsOf("zh").text(&c, true) != shown {
			t.Errorf("%q: %v, %q", emoji, err, wordsOf("zh").text(&c, false))
		}
	}
}

func FuzzGroupText(f *testing.F) {
	f.Add("sip:carol@example.com", "sip:bob@example.com", "text/plain", "hi")
	f.Add("Anonymous", `"x" <sip:%0a@b>;tag=1`, fileType, fileXML)
	f.Fuzz(func(t *testing.T, forwarded, answered, typ, body string) {
		c, err := openContent(cpimType, "", []byte(cpimWith("imdn.Forward-Info: "+forwarded+"\r\nlinphone.Replying-To-Message-ID: 1\r\nlinphone.Replying-To-Sender: "+answered+"\r\n",
			"Content-Type: "+typ+"\r\n", body)))
		if err != nil || c.cpim == nil {
			return
		}
		w := wordsOf("zh")
		text := w.groupText(&c, "n", false)
		if mark := w.mark(&c); strings.ContainsAny(mark, "\r\n") || text != "" && !c.reaction() && !strings.HasPrefix(text, "n: "+mark) {
			t.Fatalf("%q after %q", text, mark)
		}
	})
}
