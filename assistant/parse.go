package assistant

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxQuestion is how many bytes of a question are read.
const maxQuestion = 4 << 10

// slashes are what a command begins with: the ASCII slash, the full-width one,
// and what Chinese keyboards have on its key.
const slashes = "/／、"

// split takes a command apart: its name in lower case, and the rest as it was
// written. ok is false for text that is no command.
func split(text string) (name, rest string, ok bool) {
	text = strings.TrimSpace(bounded(text))
	slash, size := utf8.DecodeRuneInString(text)
	if size == 0 || !strings.ContainsRune(slashes, slash) {
		return "", "", false
	}
	name, rest = cutWord(text[size:])
	return strings.ToLower(name), rest, name != "" && strings.HasPrefix(text[size:], name)
}

// bounded cuts what is too long, at the beginning of a character.
func bounded(text string) string {
	if len(text) <= maxQuestion {
		return text
	}
	end := maxQuestion
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// stuckNumber cuts a Chinese name of a command from a number that follows it
// without a space: 记录10.
func stuckNumber(name string) (head, number string, ok bool) {
	at := strings.IndexFunc(name, unicode.IsDigit)
	if at <= 0 || name[at-1] < utf8.RuneSelf {
		return "", "", false
	}
	return name[:at], name[at:], true
}

// cutWord cuts the first word off. Blanks around what is left are dropped, line
// breaks inside it are kept.
func cutWord(text string) (word, rest string) {
	text = strings.TrimSpace(text)
	end := strings.IndexFunc(text, unicode.IsSpace)
	if end < 0 {
		return text, ""
	}
	return text[:end], strings.TrimSpace(text[end:])
}

// cutLast cuts the last word off.
func cutLast(text string) (rest, word string) {
	text = strings.TrimSpace(text)
	at := strings.LastIndexFunc(text, unicode.IsSpace)
	if at < 0 {
		return "", text
	}
	_, size := utf8.DecodeRuneInString(text[at:])
	return strings.TrimSpace(text[:at]), text[at+size:]
}

// closing is the quote that ends what another one begins.
func closing(open rune) (rune, bool) {
	switch open {
	case '"', '\'':
		return open, true
	case '“':
		return '”', true
	case '「':
		return '」', true
	case '《':
		return '》', true
	}
	return 0, false
}

// cutName cuts off the first name: a word, or what stands in quotes. quoted tells
// which it was.
func cutName(text string) (name, rest string, quoted bool) {
	text = strings.TrimSpace(text)
	open, size := utf8.DecodeRuneInString(text)
	if end, is := closing(open); is {
		if inside, after, found := strings.Cut(text[size:], string(end)); found && strings.TrimSpace(inside) != "" {
			return strings.TrimSpace(inside), strings.TrimSpace(after), true
		}
	}
	name, rest = cutWord(text)
	return name, rest, false
}

// maxNameWords is how many words a name is looked for in.
const maxNameWords = 8

// prefixes returns the ways to read the beginning of a text as one name, the
// longest first, each with what follows it. A quoted name is read in one way.
func prefixes(text string) (names, rests []string) {
	name, rest, quoted := cutName(text)
	if quoted || name == "" {
		return []string{name}, []string{rest}
	}
	text = strings.TrimSpace(text)
	for end := 0; len(names) < maxNameWords; {
		word, _ := cutWord(text[end:])
		if word == "" {
			break
		}
		end += strings.Index(text[end:], word) + len(word)
		names = append([]string{text[:end]}, names...)
		rests = append([]string{strings.TrimSpace(text[end:])}, rests...)
	}
	return names, rests
}

// list takes names apart that are divided by blanks or commas.
func list(text string) []string {
	var names []string
	for text = strings.TrimSpace(text); text != ""; {
		name, rest, quoted := cutName(text)
		if !quoted {
			if at := strings.IndexAny(name, ",，、;；"); at >= 0 {
				_, size := utf8.DecodeRuneInString(name[at:])
				name, rest = name[:at], strings.TrimSpace(text[at+size:])
			}
		}
		if name != "" {
			names = append(names, name)
		}
		text = rest
	}
	return names
}

// oneLine makes a line of a text, of at most limit characters.
func oneLine(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	n := 0
	for i := range text {
		if n++; n > limit {
			return text[:i] + "…"
		}
	}
	return text
}
