package chat

import (
	"cmp"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// Description is what a message says, taken apart: for clients that show it in
// their own way and need no text rendering.
type Description struct {
	Text string // what the person wrote, without files and without words of ours

	ReplyTo       string // Message-ID of the message that this answers, "" for none
	ReplyToSender string // and the address of its author, "" when the sender names none
	ReactionTo    string // Message-ID of the message that this is put to; Text is the emoji, "" takes it back
	ForwardedFrom string // address of the first author, "anonymous" when he is not named, "" when it is not forwarded

	Files []Attachment
}

// Attachment is a reference to an uploaded file.
type Attachment struct {
	Name        string
	Size        int64 // bytes, 0 when the sender did not say
	ContentType string
	URL         string
	Playing     time.Duration // of a voice message, 0 for anything else
}

// Describe reads an archived message. What cannot be read is described by the
// text of the archive.
func Describe(m *store.Message) Description {
	c, err := openContent(m.ContentType, m.Encoding, m.Body)
	if err != nil || m.Kind != store.KindText {
		return Description{Text: m.Text}
	}
	var d Description
	var lines []string
	d.read(&c, &lines, 0)
	d.Text = strings.Join(lines, "\n")
	if c.cpim == nil {
		return d
	}
	if c.reaction() {
		d.ReactionTo, _ = c.cpim.extension(nsLinphone, "linphone", "In-Reply-To")
	}
	d.ReplyTo, _ = c.cpim.extension(nsLinphone, "linphone", "Replying-To-Message-ID")
	author, _ := c.cpim.extension(nsLinphone, "linphone", "Replying-To-Sender")
	d.ReplyToSender = party(author)
	if first := c.cpim.imdn("Forward-Info"); first != "" {
		d.ForwardedFrom = cmp.Or(party(first), "anonymous")
	}
	return d
}

// read collects the texts and files of one part, and of those inside it.
func (d *Description) read(c *content, lines *[]string, depth int) {
	switch {
	case strings.HasPrefix(c.typ, "multipart/") && depth < maxPartsDepth:
		for _, p := range c.parts() {
			d.read(&p, lines, depth+1)
		}
	case c.typ == fileType:
		if f, err := parseFile(c.body); err == nil {
			d.Files = append(d.Files, Attachment(f))
		}
	case strings.HasPrefix(c.typ, "text/"):
		if s := c.plain(); s != "" {
			*lines = append(*lines, s)
		}
	}
}
