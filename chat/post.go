package chat

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Post is a message that a user writes without a softphone. It is made into CPIM
// and then treated as if one had sent it.
type Post struct {
	From  store.User
	To    store.User    // or
	Group store.GroupID // of which From is a member
	Text  string
	// Key makes a repetition the same message, as Message-ID does: the same one of
	// the same user to the same recipient. "": it is never repeated.
	Key     string
	ReplyTo *Quote  // what it answers, nil for nothing
	ReactTo *Quote  // to what it puts Text, an emoji; "" takes back what was put there
	Forward *Quote  // what it passes on, instead of Text
	Record  *Record // likewise
}

// Quote is an archived message with who wrote it.
type Quote struct {
	*store.Message
	Author string // his address
	Name   string // and how he is called, in a Record
}

// Post returns when the message is committed, with its place: for a repetition that
// of the first. The error is what a softphone would be answered by, *server.Error
// for one, or wraps store.ErrInvalid; after that of ctx the message may be kept
// all the same.
func (s *Service) Post(ctx context.Context, p Post) (store.Accepted, error) {
	sub, err := s.submit(&p)
	if err != nil {
		return store.Accepted{}, err
	}
	answer := make(postAnswer, 1)
	sub.answerer = answer
	if err := s.check(sub); err != nil {
		return store.Accepted{}, err
	}
	if p.Group == 0 {
		s.accept(sub)
	} else {
		g, ok := s.cfg.Groups.ByID(p.Group)
		if !ok || !wasIn(g, p.From.ID) {
			return store.Accepted{}, &server.Error{Status: 404}
		}
		s.acceptInto(g, sub)
	}
	select {
	case err := <-answer:
		return sub.msg.Accepted, err
	case <-ctx.Done():
		return store.Accepted{}, ctx.Err()
	}
}

// postAnswer is how the sender of a post is answered, once.
type postAnswer chan error

// Reply implements answerer: only what is accepted is replied to.
func (a postAnswer) Reply(int, string, ...sip.Header) { a <- nil }

// ReplyError implements answerer.
func (a postAnswer) ReplyError(err error) { a <- err }

// submit makes of a post what would come from a softphone.
func (s *Service) submit(p *Post) (*submission, error) {
	body, id, err := s.compose(p)
	if err != nil {
		return nil, err
	}
	resolved := func(u store.User) registrar.Resolved {
		r := *s.located(u)
		r.Disabled = u.Disabled
		return r
	}
	sub := &submission{
		origin: origin{flow: new(transport.Flow)}, // none of the sender's devices
		start:  time.Now(),
		from:   resolved(p.From),
		msg: &store.Message{NewMessage: store.NewMessage{
			From: p.From.ID, CallID: id + "@" + s.cfg.Domain, ContentType: cpimType, Body: body, TraceID: newMessageID(), Source: "https",
		}},
	}
	if p.Group == 0 {
		sub.to = resolved(p.To)
	}
	return sub, nil
}

// compose writes the CPIM of a post, and gives it its Message-ID. Only reading is
// asked for: it is what moves the position of the reader.
func (s *Service) compose(p *Post) (body []byte, id string, err error) {
	to := p.To.AOR()
	if p.Group != 0 {
		if g, ok := s.cfg.Groups.ByID(p.Group); ok {
			to = g.AOR()
		}
	}
	id = p.messageID(to)
	c := cpim{
		headers: []field{
			{"From", wire.QuoteString(cmp.Or(p.From.DisplayName, p.From.Username)) + "<sip:" + uriOf(p.From.AOR()) + ">"}, // RFC 3862 §4.1: no blank after a string
			{"To", "<sip:" + uriOf(to) + ">"},
			{"DateTime", time.Now().UTC().Format(time.RFC3339)},
			{"NS", "imdn <" + nsIMDN + ">"},
			{"imdn.Message-ID", id},
			{"imdn.Disposition-Notification", "display"},
		},
		content: []field{{"Content-Type", "text/plain;charset=UTF-8"}},
		body:    []byte(p.Text),
	}
	switch {
	case p.Forward != nil:
		err = p.Forward.forward(&c)
	case p.Record != nil:
		err = s.words.record(p.Record, &c)
	case p.ReactTo != nil:
		err = p.ReactTo.react(p.Text, &c)
	}
	if err == nil && p.ReplyTo != nil {
		err = p.ReplyTo.reply(&c)
	}
	return c.bytes(), id, err
}

// messageID is random without a key.
func (p *Post) messageID(to string) string {
	if p.Key == "" {
		return newMessageID()
	}
	sum := sha256.Sum256([]byte("post\x00" + strconv.FormatInt(int64(p.From.ID), 10) + "\x00" + to + "\x00" + p.Key))
	return hex.EncodeToString(sum[:12])
}

// forward passes on the content of a message, and says who wrote it first.
func (q *Quote) forward(c *cpim) error {
	of, err := q.open()
	if err != nil {
		return err
	}
	author := cmp.Or(Describe(q.Message).ForwardedFrom, q.Author)
	if strings.Contains(author, "@") {
		author = "<sip:" + uriOf(author) + ">"
	}
	c.headers = append(c.headers, field{"imdn.Forward-Info", author})
	c.content, c.body = []field{{"Content-Type", q.ContentType}}, of.body
	if of.cpim != nil {
		c.content = of.cpim.content
	}
	return nil
}

// open reads the content of a message that can be forwarded.
func (q *Quote) open() (content, error) {
	c, err := openContent(q.ContentType, q.Encoding, q.Body)
	if err != nil || q.Kind != store.KindText || c.reaction() {
		return c, fmt.Errorf("%w: message %s cannot be forwarded", store.ErrInvalid, store.GIDString(q.GID))
	}
	return c, nil
}

// reply names what is answered.
func (q *Quote) reply(c *cpim) error {
	name, err := q.name("answer")
	if err != nil {
		return err
	}
	c.headers = append(c.headers,
		field{"NS", "linphone <" + nsLinphone + ">"},
		field{"linphone.Replying-To-Message-ID", name},
		field{"linphone.Replying-To-Sender", "sip:" + uriOf(q.Author)})
	return nil
}

// maxEmoji bytes hold every emoji that Unicode recommends for interchange.
const maxEmoji = 64

// react makes of the text an emoji that is put to a message.
func (q *Quote) react(emoji string, c *cpim) error {
	name, err := q.name("emoji")
	if err != nil {
		return err
	}
	if len(emoji) > maxEmoji || strings.ContainsFunc(emoji, unicode.IsControl) {
		return fmt.Errorf("%w: react with one emoji, and with nothing to take it back", store.ErrInvalid)
	}
	c.headers = append(c.headers, field{"NS", "linphone <" + nsLinphone + ">"}, field{"linphone.In-Reply-To", name})
	c.content = append(c.content, field{"Content-Disposition", "Reaction"})
	return nil
}

// name is the Message-ID by which other messages name this one.
func (q *Quote) name(what string) (string, error) {
	switch {
	case q.Kind != store.KindText:
		return "", fmt.Errorf("%w: message %s is not one of a person: it takes no %s", store.ErrInvalid, store.GIDString(q.GID), what)
	case q.MessageID == "" || strings.ContainsFunc(q.MessageID, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }):
		return "", fmt.Errorf("%w: message %s has no name that an %s could give: it came from a phone without CPIM", store.ErrInvalid, store.GIDString(q.GID), what)
	}
	return q.MessageID, nil
}

// uriOf is an address as it stands in a URI.
func uriOf(aor string) string {
	user, host, _ := strings.Cut(aor, "@")
	return wire.EscapeUser(user) + "@" + host
}
