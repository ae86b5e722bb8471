package chat

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/sparkleim/sparkle/sip/wire"
)

// groupText renders what author wrote in a group as a text phone shows it, which
// files all of a group under the group: "昵称: 正文". own says that the user of
// the phone wrote it himself. A message without anything to show is "".
func (w *words) groupText(c *content, author string, own bool) string {
	body := w.part(c, true, 0)
	switch {
	case c.reaction():
		return w.reacted(body, author, own)
	case body == "":
		return ""
	case own:
		return w.me + w.mark(c) + body
	}
	return author + ": " + w.mark(c) + body
}

// reacted says that somebody has put an emoji to a message, or taken it back.
func (w *words) reacted(emoji, author string, own bool) string {
	if own {
		author = w.i
	}
	if emoji == "" {
		return fmt.Sprintf(w.tookBack, author)
	}
	return fmt.Sprintf(w.reacts, author, emoji)
}

// noticeText renders what the server says in a group.
func (w *words) noticeText(c *content) string {
	text := c.plain()
	if text == "" {
		return ""
	}
	return "* " + text
}

// mark tells in a text phone that a message is forwarded or answers another one.
func (w *words) mark(c *content) string {
	if c.cpim == nil {
		return ""
	}
	if who := c.cpim.imdn("Forward-Info"); who != "" {
		if who = party(who); who != "" {
			return fmt.Sprintf(w.forwardedFrom, who)
		}
		return w.forwarded
	}
	if _, ok := c.cpim.extension(nsLinphone, "linphone", "Replying-To-Message-ID"); !ok {
		return ""
	}
	who, _ := c.cpim.extension(nsLinphone, "linphone", "Replying-To-Sender")
	if who, _, _ = strings.Cut(party(who), "@"); who != "" {
		return fmt.Sprintf(w.replyTo, who)
	}
	return w.reply
}

// reaction tells an emoji that was put to a message from a message. Without text
// it takes the emoji back.
func (c *content) reaction() bool { return c.cpim != nil && c.disposition == "reaction" }

// party is the address-of-record in a header of CPIM, "" for none ("Anonymous").
func party(header string) string {
	addr, err := wire.ParseNameAddr(header)
	if err != nil || addr.URI.User == "" || addr.URI.Host == "" {
		return ""
	}
	aor := wire.AOR(&addr.URI)
	if strings.ContainsFunc(aor, unicode.IsControl) {
		return ""
	}
	return aor
}
