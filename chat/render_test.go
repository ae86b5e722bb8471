package chat

import (
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

func cpimWith(headers, contentHeaders, body string) string {
	return "From: <sip:alice@example.com>\r\nTo: <sip:bob@example.com>\r\nNS: imdn <urn:ietf:params:imdn>\r\nNS: linphone <tag:linphone.org,2020:params:groupchat>\r\n" +
		headers + "\r\n" + contentHeaders + "\r\n" + body
}

func TestRender(t *testing.T) {
	linphone := ability{linphone: true}
	text := ability{}
	mixed := "--b\r\nContent-Type: " + fileType + "\r\n\r\n" + fileXML + "\r\n--b\r\nContent-Type: text/plain\r\n\r\n看图\r\n--b--\r\n"
	january := strings.Replace(linphoneCPIM, "2026-11", "2026-01", 1)
	picture := "[图片] 图 1.png 2.9KB https://files.example.com/tmp/ID"
	plain := cpimWith("", "Content-Type: text/plain\r\n", "x")
	tests := []struct {
		name        string
		contentType string
		encoding    string
		body        string
		kind        store.Kind
		can         ability
		own         bool
		want        string // the name of the rendering
		shown       string // the body; "" means as it was
	}{
		{name: "text to Linphone", contentType: "text/plain", body: "hi", can: linphone, want: asOriginal},
		{name: "text to a text phone", contentType: "text/plain;charset=utf-8", body: "hi", can: text, want: asOriginal},
		{name: "deflated text to a text phone", contentType: "text/plain", encoding: "deflate", body: string(deflated("hi")), can: text, want: asInflated, shown: "hi"},
		{name: "deflated text to Linphone", contentType: "text/plain", encoding: "deflate", body: string(deflated("hi")), can: linphone, want: asOriginal},
		{name: "HTML to a text phone", contentType: "text/html", body: "<b>hi</b>", can: text, want: asText, shown: "<b>hi</b>"},
		{name: "HTML to one that shows it", contentType: "text/html", body: "<b>hi</b>", can: ability{types: []string{"text/*"}}, want: asOriginal},
		{name: "GBK to one without it", contentType: "text/x;charset=gbk", body: "\xc4\xe3\xba\xc3", can: text, want: asText, shown: "你好"},
		{name: "file to Linphone", contentType: fileType, body: fileXML, can: linphone, want: asOriginal},
		{name: "file to a text phone", contentType: fileType, body: fileXML, can: text, want: asText, shown: picture},
		{name: "file to a phone that says */*", contentType: fileType, body: fileXML, can: ability{types: []string{"*/*"}}, want: asText, shown: picture},
		{name: "voice to a text phone", contentType: fileType, body: voiceXML, can: text, want: asText, shown: "[语音] 0:12 v.wav 2.9MB https://files.example.com/v"},
		{name: "broken file to a text phone", contentType: fileType, body: "<file/>", can: text, want: asText, shown: "[此设备无法显示 " + fileType + "，7B]"},
		{name: "unknown type to a text phone", contentType: "application/x", body: "123", can: text, want: asText, shown: "[此设备无法显示 application/x，3B]"},
		{name: "CPIM to Linphone", contentType: cpimType, body: linphoneCPIM, can: linphone, want: asOriginal},
		{name: "CPIM to a text phone", contentType: cpimType, body: linphoneCPIM, can: text, want: asText, shown: "Hello group"},
		{name: "CPIM of January to Linphone", contentType: cpimType, body: january, can: linphone, want: asUndated, shown: strings.Replace(january, "DateTime: 2026-01-22T22:57:20Z\r\n", "", 1)},
		{name: "deflated CPIM of January to Linphone", contentType: cpimType, encoding: "deflate", body: string(deflated(january)), can: linphone, want: asUndated, shown: strings.Replace(january, "DateTime: 2026-01-22T22:57:20Z\r\n", "", 1)},
		{name: "CPIM of text to one that takes CPIM", contentType: cpimType, body: plain, can: ability{types: []string{cpimType}}, want: asOriginal},
		{name: "CPIM of a file to one that takes CPIM", contentType: cpimType, body: cpimWith("", "Content-Type: "+fileType+"\r\n", fileXML), can: ability{types: []string{cpimType}}, want: asText, shown: picture},
		{name: "what is not CPIM", contentType: cpimType, body: "junk", can: text, want: asText, shown: "[此设备无法显示 message/cpim，4B]"},
		{name: "picture and text", contentType: cpimType, body: cpimWith("", "Content-Type: multipart/mixed;boundary=b\r\n", mixed), can: text, want: asText, shown: picture + "\n看图"},
		{name: "forward", contentType: cpimType, body: cpimWith("imdn.Forward-Info: sip:carol@example.com\r\n", "Content-Type: text/plain\r\n", "x"), can: text, want: asText, shown: "[转发自 carol@example.com] x"},
		{name: "reply", contentType: cpimType, body: cpimWith("linphone.Replying-To-Message-ID: 1\r\n", "Content-Type: text/plain\r\n", "x"), can: text, want: asText, shown: "[回复] x"},
		{name: "reaction", contentType: cpimType, body: cpimWith("linphone.In-Reply-To: 1\r\n", "Content-Type: text/plain\r\nContent-Disposition: Reaction\r\n", "👍"), can: text, want: asText, shown: "[表情回应] 👍"},
		{name: "reaction taken back", contentType: cpimType, body: cpimWith("linphone.In-Reply-To: 1\r\n", "Content-Type: text/plain\r\nContent-Disposition: Reaction\r\n", ""), can: text, want: asText, shown: "[撤销表情回应]"},
		{name: "own message", contentType: cpimType, body: linphoneCPIM, can: linphone, own: true, want: asCopy, shown: "我: Hello group"},
		{name: "own receipt", contentType: imdnType, body: "x", kind: store.KindReceipt, can: linphone, own: true, want: skipOwn},
		{name: "receipt to a text phone", contentType: imdnType, body: "x", kind: store.KindReceipt, can: text, want: skipReceipt},
		{name: "receipt in CPIM to one that takes CPIM only", contentType: cpimType, kind: store.KindReceipt, body: cpimWith("", "Content-Type: "+imdnType+"\r\n", "x"), can: ability{types: []string{cpimType}}, want: skipReceipt},
		{name: "nothing to show", contentType: "text/x", body: "", can: text, want: skipEmpty},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &store.Message{NewMessage: store.NewMessage{Kind: max(tt.kind, store.KindText), ContentType: tt.contentType, Encoding: tt.encoding, Body: []byte(tt.body)}}
			r := wordsOf("zh").render(m, tt.can, tt.own, false)
			if r.name != tt.want || r.skip != strings.HasPrefix(tt.want, "skipped") {
				t.Fatalf("%q, want %q", r.name, tt.want)
			}
			want := tt.shown
			if want == "" {
				want = tt.body
			}
			if !r.skip && string(r.body) != want {
				t.Errorf("shows %q, want %q", r.body, want)
			}
			if r.name == asOriginal && (r.contentType != tt.contentType || r.encoding != tt.encoding) {
				t.Errorf("sent as %s, %s", r.contentType, r.encoding)
			}
		})
	}
}

func TestAbility(t *testing.T) {
	tests := []struct {
		name   string
		device store.Device
		typ    string
		want   bool
	}{
		{"Linphone by specs", store.Device{Specs: "groupchat/1.1"}, imdnType, true},
		{"Linphone by name", store.Device{UserAgent: "LinphoneAndroid/5.2"}, cpimType, true},
		{"Linphone by Accept", store.Device{Accept: []string{fileType}}, multipartType, true},
		{"baresip", store.Device{UserAgent: "baresip v1.0.0"}, cpimType, false},
		{"PJSUA", store.Device{UserAgent: "PJSUA v2.12", Accept: []string{"application/im-iscomposing+xml"}}, composingType, true},
		{"anyone", store.Device{}, plainType, true},
		{"wildcard", store.Device{Accept: []string{"*/*"}}, "image/png", true},
		{"wildcard is not for receipts", store.Device{Accept: []string{"*/*"}}, imdnType, false},
	}
	for _, tt := range tests {
		if got := abilityOf(&tt.device).shows(tt.typ); got != tt.want {
			t.Errorf("%s: %s %v", tt.name, tt.typ, got)
		}
	}
}

func TestEnglish(t *testing.T) {
	c, err := openContent(fileType, "", []byte(fileXML))
	if err != nil || wordsOf("en").text(&c, false) != "[Picture] 图 1.png 2.9KB" {
		t.Errorf("%v %q", err, wordsOf("en").text(&c, false))
	}
}
