package e2e

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// besiegedGroup is a group of two Linphones with people about who mean no good.
type besiegedGroup struct {
	*server
	room, factory string
	alice, bob    *linphone
	carol         *member // in the group, nothing more
	lisi          *member // muted
	zhangsan      *member // was in the group, and kicked
	wangwu        *member // never was
}

// attack is a request, and what it may be answered.
type attack struct {
	by      *member
	request *agent.Request
	want    []int
	warning string // what the answer must say, "" for anything
}

// Whatever members, former members and strangers do to a group is refused in words,
// and those who talk in it notice nothing.
func TestHostileToGroups(t *testing.T) {
	t.Parallel()
	g := besiegedGroup{server: startServer(t)}
	g.room, g.factory = "sip:fort@"+g.Ready.Domain, "sip:conference-factory@"+g.Ready.Domain
	g.sparkle(t, "group", "add", "fort", "--subject", "Fort", "--member", "alice,bob,carol,lisi,zhangsan")
	g.alice = g.newLinphone(t, "alice", "tls", t.TempDir())
	g.bob = g.newLinphone(t, "bob", "tcp", t.TempDir())
	g.carol, g.lisi = g.newMember(t, "carol", "tls"), g.newMember(t, "lisi", "tls")
	g.zhangsan, g.wangwu = g.newMember(t, "zhangsan", "tls"), g.newMember(t, "wangwu", "tls")
	for _, p := range []*linphone{g.alice, g.bob} {
		p.awaitRoom(t, g.room)
	}
	for _, m := range []*member{g.carol, g.lisi, g.zhangsan} {
		m.awaitJoined(t, g.room)
	}
	g.sparkle(t, "group", "member", "mute", "fort", "lisi", "1h")
	g.sparkle(t, "group", "member", "remove", "fort", "zhangsan")
	awaitRosters(t, g.room, "Fort: alice* bob carol lisi", g.alice, g.bob)
	g.carol.speak(t, g.room, "", "", "hello")
	awaitHeard(t, g.room, "carol", "hello", g.alice, g.bob)

	for name, attacks := range map[string]func(*testing.T) map[string]attack{
		"outsiders": g.outsiders, "forgers": g.forgers, "ranks": g.ranks, "bodies": g.bodies, "factory": g.floods, "subscribers": g.subscribers,
	} {
		t.Run(name, func(t *testing.T) {
			for name, a := range attacks(t) {
				t.Run(name, func(t *testing.T) { a.launch(t) })
			}
		})
	}

	// Who does not say who he is inside is still himself.
	anonymous := g.carol.to(g.room, "To: <"+g.room+">\r\n\r\nContent-Type: text/plain\r\n\r\nwho am I?")
	if res, err := g.carol.Do(short(t), anonymous); err != nil || res.Status() != 202 {
		t.Errorf("without a From: %v %v", answerOf(res), err)
	}
	awaitHeard(t, g.room, "carol", "who am I?", g.alice, g.bob)
	g.carol.speak(t, g.room, "", "", "and after all that?")
	awaitHeard(t, g.room, "carol", "and after all that?", g.alice, g.bob)
	g.alice.say(t, g.room, "nothing happened")
	awaitHeard(t, g.room, "alice", "nothing happened", g.bob)
	g.bob.say(t, g.room, "nothing at all")
	awaitHeard(t, g.room, "bob", "nothing at all", g.alice)
	for _, p := range []*linphone{g.alice, g.bob} {
		p.awaitRoster(t, g.room, "Fort: alice* bob carol lisi")
		if n := p.out.count(func(l string) bool { return strings.HasPrefix(l, "said\t") && strings.Contains(l, "evil") }); n > 0 {
			t.Errorf("%s heard %d things that are evil", p.user, n)
		}
		if n := p.out.count(func(l string) bool { return strings.HasPrefix(l, "room\t") && strings.HasSuffix(l, "evil") }); n > 0 {
			t.Errorf("%s's Linphone has rooms that are evil", p.user)
		}
	}
	for _, m := range []*member{g.carol, g.lisi, g.zhangsan, g.wangwu} {
		if n := m.sent("MESSAGE", g.room, "evil"); n > 0 {
			t.Errorf("%s was sent %d things that are evil", m.User, n)
		}
		if m := m.newest("MESSAGE", g.room, "<imdn"); m != nil && m.Get("content-type") != "message/cpim" {
			t.Errorf("a bare receipt went on:\n%s", m.Bytes())
		}
		if n := m.sent("NOTIFY", g.room, "alice@"); n > 0 && (m == g.wangwu || m == g.zhangsan) {
			t.Errorf("%s was told %d times who is in the group", m.User, n)
		}
	}
	awaitHistory(t, g.bob, g.room, []string{"carol in - hello", "alice in - did you get that?", "carol in - who am I?", "carol in - and after all that?", "alice in - nothing happened", "bob out - nothing at all"})
}

func (a attack) launch(t *testing.T) {
	t.Helper()
	res, err := a.by.Do(short(t), a.request)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(a.want, res.Status()) || !strings.Contains(res.Get("warning"), a.warning) {
		t.Errorf("answered %q, want one of %v and %q", answerOf(res), a.want, a.warning)
	}
}

// request is one to a URI, with further header lines.
func request(method, uri string, headers ...string) *agent.Request {
	return &agent.Request{Method: method, URI: uri, Headers: headers}
}

// with gives a request a body.
func with(r *agent.Request, contentType, body string) *agent.Request {
	r.ContentType, r.Body = contentType, body
	return r
}

// outsiders: to who is not in it, a group does not exist.
func (g *besiegedGroup) outsiders(*testing.T) map[string]attack {
	nobody := []int{404}
	all := map[string]attack{
		"who is muted":           {g.lisi, g.lisi.to(g.room, cpimOf(g.lisi.AOR(), g.room, "", "", "evil")), []int{403}, "禁言"},
		"who is muted, as text":  {g.lisi, with(request("MESSAGE", g.room), "text/plain", "evil"), []int{403}, "禁言"},
		"in the name of another": {g.carol, &agent.Request{Method: "MESSAGE", URI: g.room, From: "sip:alice@" + g.Ready.Domain, ContentType: "text/plain", Body: "evil"}, []int{403}, ""},
	}
	for who, m := range map[string]*member{"a stranger": g.wangwu, "who was kicked": g.zhangsan} {
		for target, uri := range map[string]string{"a group": g.room, "no group": "sip:nothing@" + g.Ready.Domain} {
			all[who+" writes to "+target] = attack{m, m.to(uri, cpimOf(m.AOR(), uri, "", "", "evil")), nobody, ""}
			all[who+" writes text to "+target] = attack{m, with(request("MESSAGE", uri), "text/plain", "evil"), nobody, ""}
			all[who+" joins "+target] = attack{m, request("INVITE", uri), nobody, ""}
			all[who+" watches "+target] = attack{m, request("SUBSCRIBE", uri, "Event: conference", "Expires: 600"), nobody, ""}
			all[who+" adds himself to "+target] = attack{m, request("REFER", uri, "Refer-To: <"+m.AOR()+">;text"), nobody, ""}
		}
	}
	return all
}

// forgers: what a message says inside must be what its sender is.
func (g *besiegedGroup) forgers(*testing.T) map[string]attack {
	alice, refused := "sip:alice@"+g.Ready.Domain, []int{400, 403}
	from := func(headers string) *agent.Request {
		return g.carol.to(g.room, headers+"To: <"+g.room+">\r\nNS: imdn <urn:ietf:params:imdn>\r\n\r\nContent-Type: text/plain\r\n\r\nevil")
	}
	return map[string]attack{
		"another member":       {g.carol, g.carol.to(g.room, cpimOf(alice, g.room, "", "", "evil")), refused, "From"},
		"the group":            {g.carol, g.carol.to(g.room, cpimOf(g.room, g.room, "", "", "evil")), refused, "From"},
		"two of them":          {g.carol, from("From: <" + g.carol.AOR() + ">\r\nFrom: <" + alice + ">\r\n"), refused, "From"},
		"the other way round":  {g.carol, from("From: <" + alice + ">\r\nFrom: <" + g.carol.AOR() + ">\r\n"), refused, "From"},
		"in another case":      {g.carol, from("FROM: <" + alice + ">\r\nFrom: <" + g.carol.AOR() + ">\r\n"), refused, "From"},
		"his own at elsewhere": {g.carol, g.carol.to(g.room, cpimOf("sip:carol@elsewhere.example", g.room, "", "", "evil")), refused, "From"},
		"a receipt of another": {g.carol, g.carol.to(g.room, strings.Replace(cpimOf(alice, g.room, "", "", imdn("x")), "text/plain; charset=UTF-8", "message/imdn+xml", 1)), refused, "From"},
		"a name full of wiles": {g.carol, from("From: \"Alice\" <" + alice + ">, <" + g.carol.AOR() + ">\r\n"), refused, ""},
	}
}

// imdn is a receipt for a message of that id.
func imdn(id string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>` + id + `</message-id><datetime>2026-11-22T22:57:20Z</datetime><delivery-notification><status><delivered/></status></delivery-notification></imdn>`
}

// ranks: a member is no administrator, whatever he asks the focus to do.
func (g *besiegedGroup) ranks(*testing.T) map[string]attack {
	refer := func(to string) attack {
		return attack{g.carol, request("REFER", g.room, "Refer-To: "+to), []int{400, 403, 404, 405}, ""}
	}
	all := map[string]attack{}
	for name, to := range map[string]string{
		"promotes himself":      "<sip:carol@DOMAIN>;text;admin=1",
		"promotes in other way": "<sip:carol@DOMAIN;admin=true>;text",
		"demotes the owner":     "<sip:alice@DOMAIN>;text;admin=0",
		"kicks the owner":       "<sip:alice@DOMAIN;method=BYE>;text",
		"adds the group":        "<sip:fort@DOMAIN>;text",
		"adds the factory":      "<sip:conference-factory@DOMAIN>;text",
		"adds nobody":           "<sip:nobody@DOMAIN>;text",
		"adds one elsewhere":    "<sip:bob@elsewhere.example>;text",
		"refers to a REFER":     "<sip:fort@DOMAIN;method=REFER?Refer-To=%3Csip:fort@DOMAIN;method=REFER%3E>",
		"refers to a MESSAGE":   "<sip:fort@DOMAIN;method=MESSAGE?body=evil>",
		"refers to no address":  "<tel:+4912345>",
		"refers to nonsense":    "<<>>;;=",
		"refers to nothing":     "",
	} {
		all[name] = refer(strings.ReplaceAll(to, "DOMAIN", g.Ready.Domain))
	}
	all["refers to two"] = attack{g.carol, request("REFER", g.room, "Refer-To: <sip:wangwu@"+g.Ready.Domain+">;text", "Refer-To: <sip:zhangsan@"+g.Ready.Domain+">;text"), []int{400, 403}, ""}
	all["renames"] = attack{g.carol, request("INVITE", g.room, "Subject: evil"), []int{200, 403}, ""} // he joins again, no more
	bye := func() *agent.Request {
		return &agent.Request{Method: "BYE", URI: g.room, To: "<" + g.room + ">;tag=guessed"}
	}
	all["ends a dialog of another"] = attack{g.carol, bye(), []int{481}, ""}
	all["ends a dialog of a group that he is not in"] = attack{g.wangwu, bye(), []int{404}, ""} // as at any address that is nobody's
	return all
}

// bodies: what no member may see, above all the bare receipt that ends Linphone 5.1.
func (g *besiegedGroup) bodies(t *testing.T) map[string]attack {
	refused := []int{400, 403, 406, 413, 415, 488}
	dropped := append(refused, 200, 202) // what it is about takes note, and it goes no further
	g.alice.say(t, g.room, "did you get that?")
	known := cpimHeader(g.carol.awaitSent(t, g.room, "did you get that?").Body, "imdn.Message-ID")
	deflated := func(body string) *agent.Request {
		return with(request("MESSAGE", g.room, "Content-Encoding: deflate"), "message/cpim", body)
	}
	receipt := strings.Replace(cpimOf(g.carol.AOR(), g.room, "imdn.Message-ID: "+agent.NewID()+"\r\n", "Content-Disposition: notification\r\n", imdn("of-nothing")), "text/plain; charset=UTF-8", "message/imdn+xml", 1)
	return map[string]attack{
		"a bare receipt":          {g.carol, with(request("MESSAGE", g.room), "message/imdn+xml", imdn(known)), dropped, ""},
		"a bare receipt, written": {g.carol, with(request("MESSAGE", g.room), "Message/IMDN+xml;charset=utf-8", imdn(known)), dropped, ""},
		"a bundle of receipts":    {g.carol, with(request("MESSAGE", g.room), "multipart/mixed;boundary=b", "--b\r\nContent-Type: message/imdn+xml\r\n\r\n"+imdn(known)+"\r\n--b--\r\n"), dropped, ""},
		"a receipt of nothing":    {g.carol, with(request("MESSAGE", g.room), "message/cpim", receipt), []int{200, 202, 400, 404}, ""},
		"no CPIM":                 {g.carol, with(request("MESSAGE", g.room), "message/cpim", "evil"), refused, ""},
		"half of a CPIM":          {g.carol, with(request("MESSAGE", g.room), "message/cpim", "From: <"+g.carol.AOR()+">\r\n\r\nevil"), refused, ""},
		"what does not inflate":   {g.carol, deflated("evil"), refused, ""},
		"what inflates to a lot":  {g.carol, deflated(bomb(t, 16<<20)), []int{413, 400}, ""},
		"other compression":       {g.carol, with(request("MESSAGE", g.room, "Content-Encoding: gzip"), "message/cpim", "evil"), []int{415}, ""},
		"typing full of entities": {g.carol, with(request("MESSAGE", g.room), "application/im-iscomposing+xml", laughs("isComposing")), []int{400}, ""},
		"nothing":                 {g.carol, with(request("MESSAGE", g.room), "text/plain", ""), []int{400}, ""},
	}
}

// bomb is n bytes of nothing, deflated.
func bomb(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for range n >> 16 {
		w.Write(make([]byte, 1<<16))
	}
	w.Close()
	return b.String()
}

// laughs is a document whose entities become very much text.
func laughs(root string) string {
	b := `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "evil">`
	for i := range 9 {
		b += fmt.Sprintf(`<!ENTITY a%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&a%d;", i), 10))
	}
	return b + `<!ENTITY f SYSTEM "file:///etc/passwd">]><` + root + `>&a9;&f;</` + root + `>`
}

// tenThousand is a list of as many people, deflated.
func (g *besiegedGroup) tenThousand(t *testing.T, params string) string {
	t.Helper()
	people := make([]string, 10000)
	for i := range people {
		people[i] = fmt.Sprintf("sip:x%d@%s%s", i, g.Ready.Domain, params)
	}
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write([]byte(listOf(people...)))
	w.Close()
	return b.String()
}

// listOf is a list of addresses (RFC 4826).
func listOf(uris ...string) string {
	b := `<?xml version="1.0" encoding="UTF-8"?><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>`
	for _, u := range uris {
		b += `<entry uri="` + u + `"/>`
	}
	return b + `</list></resource-lists>`
}

// floods: the factory makes no group of nonsense.
func (g *besiegedGroup) floods(t *testing.T) map[string]attack {
	refused := []int{400, 403, 404, 406, 413, 415, 488}
	create := func(body string, headers ...string) attack {
		headers = append(headers, "Require: recipient-list-invite", "Subject: evil", "Content-Disposition: recipient-list")
		return attack{g.carol, with(request("INVITE", g.factory, headers...), "application/resource-lists+xml", body), refused, ""}
	}
	deep := strings.Repeat("<list>", 5000)
	return map[string]attack{
		"nobody":               create(listOf()),
		"unknown people":       create(listOf("sip:nobody@"+g.Ready.Domain, "sip:someone@elsewhere.example")),
		"the factory itself":   create(listOf(g.factory)),
		"another group":        create(listOf(g.room)),
		"10,000 people":        create(g.tenThousand(t, ""), "Content-Encoding: deflate"),
		"lists in lists":       create(`<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">` + deep),
		"entities":             create(laughs("resource-lists")),
		"a bomb":               create(bomb(t, 16<<20), "Content-Encoding: deflate"),
		"no XML":               create("evil"),
		"a list from a file":   create(`<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><external anchor="https://elsewhere.example/list"/></list></resource-lists>`),
		"a pair of four":       create(listOf("sip:alice@"+g.Ready.Domain, "sip:bob@"+g.Ready.Domain, "sip:lisi@"+g.Ready.Domain), "One-To-One-Chat-Room: true"),
		"a message to it":      {g.carol, with(request("MESSAGE", g.factory), "text/plain", "evil"), []int{403, 404, 405, 488}, ""},
		"what it cannot do":    {g.carol, request("INVITE", g.factory, "Require: evil"), []int{420}, ""},
		"a name without limit": create(listOf("sip:alice@"+g.Ready.Domain), "Subject: "+strings.Repeat("evil", 1000)),
	}
}

// subscribers: who asks for what is not, or for what will be, gets what is his.
func (g *besiegedGroup) subscribers(t *testing.T) map[string]attack {
	subscribe := func(by *member, uri string, want []int, headers ...string) attack {
		return attack{by, request("SUBSCRIBE", uri, append(headers, "Expires: 600")...), want, ""}
	}
	list := func(by *member, want []int, body string, headers ...string) attack {
		headers = append(headers, "Event: conference", "Expires: 600", "Require: recipient-list-subscribe", "Content-Disposition: recipient-list")
		return attack{by, with(request("SUBSCRIBE", g.factory, headers...), "application/resource-lists+xml", body), want, ""}
	}
	return map[string]attack{
		"another package":       subscribe(g.carol, g.room, []int{489}, "Event: evil"),
		"no package":            subscribe(g.carol, g.room, []int{400, 489}),
		"a future version":      subscribe(g.carol, g.room, []int{200}, "Event: conference", "Last-Notify-Version: 4294967295"),
		"a version below zero":  subscribe(g.carol, g.room, []int{200, 400}, "Event: conference", "Last-Notify-Version: -1"),
		"no version at all":     subscribe(g.carol, g.room, []int{200, 400}, "Event: conference", "Last-Notify-Version: evil"),
		"a list of 10,000":      list(g.carol, []int{400, 403, 413}, g.tenThousand(t, ";Last-Notify=1"), "Content-Encoding: deflate"),
		"a list of strangers":   list(g.wangwu, []int{200, 403, 404}, listOf(g.room+";Last-Notify=1")),
		"a list with a future":  list(g.carol, []int{200}, listOf(g.room+";Last-Notify=99999999999999999999")),
		"the same group twice":  list(g.carol, []int{200, 400}, listOf(g.room, g.room, g.room)),
		"a list of entities":    list(g.carol, []int{400}, laughs("resource-lists")),
		"a list without a list": list(g.carol, []int{200, 400}, ""),
	}
}
