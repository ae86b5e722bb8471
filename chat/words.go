package chat

import (
	"fmt"
	"strings"
	"time"
)

// words are the few words the server puts into text renderings.
type words struct {
	picture, video, voice, file string
	unknown                     string // %s: media type, %s: size
	forwarded, reply            string
	forwardedFrom, replyTo      string // %s: who wrote what is forwarded or answered
	reaction, reactionRemoved   string
	reacts                      string // %s: somebody, %s: emoji
	tookBack                    string // %s: somebody
	recordOf                    string // %s: title of a conversation
	me, i                       string // before a copy of one's own message; in a sentence
}

// wordsOf returns the words of a language: "zh" (also for "") or "en".
func wordsOf(language string) *words {
	if strings.HasPrefix(strings.ToLower(language), "en") {
		return &words{
			picture: "[Picture]", video: "[Video]", voice: "[Voice]", file: "[File]",
			unknown:   "[This device cannot show %s, %s]",
			forwarded: "[Forwarded] ", reply: "[Reply] ",
			forwardedFrom: "[Forwarded from %s] ", replyTo: "[Reply to %s] ",
			reaction: "[Reaction] ", reactionRemoved: "[Reaction removed]",
			reacts: "%s reacted with %s", tookBack: "%s took a reaction back",
			recordOf: "Chat history · %s",
			me:       "Me: ", i: "I",
		}
	}
	return &words{
		picture: "[图片]", video: "[视频]", voice: "[语音]", file: "[文件]",
		unknown:   "[此设备无法显示 %s，%s]",
		forwarded: "[转发] ", reply: "[回复] ",
		forwardedFrom: "[转发自 %s] ", replyTo: "[回复 %s] ",
		reaction: "[表情回应] ", reactionRemoved: "[撤销表情回应]",
		reacts: "%s 回应了 %s", tookBack: "%s 撤销了表情回应",
		recordOf: "聊天记录 · %s",
		me:       "我: ", i: "我",
	}
}

// text renders a content as text for people: what a text phone shows, and
// without links what search finds and lists show. For these a reaction is no text:
// it would hide the message that it is put to, and be unread beside it.
func (w *words) text(c *content, links bool) string {
	body := w.part(c, links, 0)
	switch {
	case c.reaction() && !links:
		return ""
	case c.reaction() && body == "":
		return w.reactionRemoved
	case c.reaction():
		return w.reaction + body
	case body == "":
		return ""
	}
	return w.mark(c) + body
}

// part renders one part, and those inside it.
func (w *words) part(c *content, links bool, depth int) string {
	if strings.HasPrefix(c.typ, "multipart/") && depth < maxPartsDepth {
		var lines []string
		for _, p := range c.parts() {
			if line := w.part(&p, links, depth+1); line != "" {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "\n")
	}
	if c.typ == fileType {
		if f, err := parseFile(c.body); err == nil {
			return w.attachment(f, links)
		}
	}
	if strings.HasPrefix(c.typ, "text/") {
		return c.plain()
	}
	return fmt.Sprintf(w.unknown, c.typ, size(int64(len(c.body))))
}

// attachment is "[图片] name 2.1MB link".
func (w *words) attachment(f file, links bool) string {
	typ, params := mediaType(f.ContentType)
	kind, _, _ := strings.Cut(typ, "/")
	word := w.file
	switch {
	case params["voice-recording"] == "yes" || kind == "audio" && f.Playing > 0:
		word = w.voice
	case kind == "image":
		word = w.picture
	case kind == "video":
		word = w.video
	}
	parts := []string{word}
	if f.Playing > 0 {
		s := int(f.Playing.Round(time.Second).Seconds())
		parts = append(parts, fmt.Sprintf("%d:%02d", s/60, s%60))
	}
	if f.Name != "" {
		parts = append(parts, f.Name)
	}
	if f.Size > 0 {
		parts = append(parts, size(f.Size))
	}
	if links {
		parts = append(parts, f.URL)
	}
	return strings.Join(parts, " ")
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%dB", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1fKB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1fMB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1fGB", float64(n)/(1<<30))
}
