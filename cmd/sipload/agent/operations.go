package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Register binds this agent's Contact for so many seconds (0 removes it).
func (a *Agent) Register(ctx context.Context, expires int) (*Message, error) {
	contact := a.contact
	var headers []string
	if a.Instance != "" {
		contact += `;+sip.instance="<` + a.Instance + `>"`
		headers = append(headers, "Supported: gruu, path")
	}
	if a.Specs != "" {
		contact += `;+org.linphone.specs="` + a.Specs + `"`
	}
	if a.Accept != "" {
		headers = append(headers, "Accept: "+a.Accept)
	}
	headers = append(headers, "Contact: "+contact, fmt.Sprintf("Expires: %d", expires))
	return a.expect(ctx, &Request{Method: "REGISTER", URI: "sip:" + a.Domain, To: "<" + a.AOR() + ">", Headers: headers})
}

// Message sends text to a user and returns the answer of the server.
func (a *Agent) Message(ctx context.Context, to, text string) (*Message, error) {
	return a.expect(ctx, &Request{Method: "MESSAGE", URI: "sip:" + to + "@" + a.Domain, ContentType: "text/plain", Body: text})
}

// Options asks the server whether it is there.
func (a *Agent) Options(ctx context.Context) (*Message, error) {
	return a.expect(ctx, &Request{Method: "OPTIONS", URI: "sip:" + a.Domain})
}

// expect sends r and makes an error of an answer of 300 and more.
func (a *Agent) expect(ctx context.Context, r *Request) (*Message, error) {
	res, err := a.Do(ctx, r)
	if err == nil && res.Status() >= 300 {
		err = fmt.Errorf("%s by %s: answered %q", r.Method, a.User, res.Start)
	}
	return res, err
}

// SDP is an offer or an answer of one audio stream that leads nowhere.
const SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"

// Dialog is an established call as its caller sees it.
type Dialog struct {
	Answer []byte // the session description of the answer

	agent  *Agent
	invite *Request
	to     string   // with the tag of who answered
	target string   // remote Contact
	routes []string // in the order to be sent
}

// Call invites a user with an offer and acknowledges the answer (RFC 3261 §13).
func (a *Agent) Call(ctx context.Context, to, offer string) (*Dialog, error) {
	return a.Invite(ctx, &Request{URI: "sip:" + to + "@" + a.Domain, ContentType: "application/sdp", Body: offer})
}

// Invite is Call with any URI, headers and body.
func (a *Agent) Invite(ctx context.Context, r *Request) (*Dialog, error) {
	r.Method = "INVITE"
	res, err := a.expect(ctx, r)
	if err != nil {
		return nil, err
	}
	d := &Dialog{Answer: res.Body, agent: a, invite: r, to: res.Get("to"), target: URIOf(res.Get("contact")), routes: routeSet(res)}
	ack := d.request("ACK")
	ack.CSeq, ack.branch = r.CSeq, "z9hG4bK"+NewID()
	return d, a.Write(a.Text(ack, ""))
}

// routeSet is the route set of a caller: Record-Route backwards
// (RFC 3261 §12.1.2), one value a line or several.
func routeSet(res *Message) []string {
	var routes []string
	for _, line := range res.All("record-route") {
		for v := range strings.SplitSeq(strings.ReplaceAll(line, ">,", ">\n"), "\n") {
			routes = append(routes, strings.TrimSpace(v))
		}
	}
	slices.Reverse(routes)
	return routes
}

// Bye ends the call.
func (d *Dialog) Bye(ctx context.Context) error {
	_, err := d.agent.expect(ctx, d.request("BYE"))
	return err
}

// Do sends a request within the call and acknowledges what a 2xx to an INVITE
// says. Method, and what goes with a body, are taken from r.
func (d *Dialog) Do(ctx context.Context, r *Request) (*Message, error) {
	in := d.request(r.Method)
	in.Headers = append(in.Headers, r.Headers...)
	in.ContentType, in.Body = r.ContentType, r.Body
	res, err := d.agent.Do(ctx, in)
	if err != nil || r.Method != "INVITE" || res.Status() >= 300 {
		return res, err
	}
	ack := d.request("ACK")
	ack.CSeq, ack.branch = in.CSeq, "z9hG4bK"+NewID()
	return res, d.agent.Write(d.agent.Text(ack, ""))
}

func (d *Dialog) request(method string) *Request {
	r := &Request{Method: method, URI: d.target, To: d.to, CallID: d.invite.CallID, FromTag: d.invite.FromTag}
	for _, route := range d.routes {
		r.Headers = append(r.Headers, "Route: "+route)
	}
	return r
}
