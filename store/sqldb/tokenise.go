package sqldb

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sparkleim/sparkle/store"
	"golang.org/x/text/unicode/norm"
)

// maxWord is the number of characters of a word that the index keeps; what is
// longer is compared in the text.
const maxWord = 40

// Tokens that are not words begin with a private character, which is never part
// of a word.
const (
	tokenConversation = "\ue000"
	tokenUser         = "\ue001"
	tokenCallID       = "\ue002"
	tokenMessageID    = "\ue003"
)

// fold makes texts comparable: NFKC (which folds full-width and half-width
// forms, too) and lower case.
func fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return norm.NFKC.String(strings.ToLower(norm.NFKC.String(s)))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// class is how the index treats a character.
type class int

const (
	classOther  class = iota // separates
	classWord                // letters and digits, indexed as words
	classMark                // belongs to the word before it
	classIdeo                // indexed one by one and in pairs
	classSymbol              // indexed one by one: emoji
)

func classOf(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		if '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return classWord
		}
		return classOther
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
		return classIdeo
	case unicode.IsLetter(r), unicode.IsNumber(r):
		return classWord
	case unicode.IsMark(r):
		return classMark
	case unicode.Is(unicode.So, r):
		return classSymbol
	}
	return classOther
}

// run is a stretch of a folded text that the index treats as one: a word, a
// row of ideographs, or one symbol.
type run struct {
	class class
	text  string
	end   int // offset behind it
}

// nextRun finds the run that begins at or after from; false at the end.
func nextRun(s string, from int) (run, bool) {
	start, kind := from, classOther
	for i, r := range s[from:] {
		at := from + i
		c := classOf(r)
		switch {
		case kind == classOther && (c == classWord || c == classIdeo):
			start, kind = at, c
		case kind == classOther && c == classSymbol:
			end := at + utf8.RuneLen(r)
			return run{c, s[at:end], end}, true
		case kind == classOther, c == kind, kind == classWord && c == classMark:
		default:
			return run{kind, s[start:at], at}, true
		}
	}
	if kind == classOther {
		return run{}, false
	}
	return run{kind, s[start:], len(s)}, true
}

// textTokens adds the tokens of a text to a set.
func textTokens(text string, add func(string)) {
	s := fold(text)
	for r, ok := nextRun(s, 0); ok; r, ok = nextRun(s, r.end) {
		switch r.class {
		case classIdeo:
			previous := -1
			for i, c := range r.text {
				end := i + utf8.RuneLen(c)
				add(r.text[i:end])
				if previous >= 0 {
					add(r.text[previous:end])
				}
				previous = i
			}
		case classWord:
			add(cutWord(r.text))
		default:
			add(r.text)
		}
	}
}

func cutWord(w string) string {
	n := 0
	for i := range w {
		if n == maxWord {
			return w[:i]
		}
		n++
	}
	return w
}

// document is what the index holds of a message: its tokens, each once.
func document(m *store.Message) string {
	seen := make(map[string]struct{})
	var b strings.Builder
	add := func(token string) {
		if _, ok := seen[token]; ok {
			return
		}
		seen[token] = struct{}{}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(token)
	}
	add(numberToken(tokenConversation, int64(m.Conversation)))
	for _, u := range []store.UserID{m.From, m.To} {
		if u != 0 {
			add(numberToken(tokenUser, int64(u)))
		}
	}
	if m.CallID != "" {
		add(hashToken(tokenCallID, m.CallID))
	}
	if m.MessageID != "" {
		add(hashToken(tokenMessageID, m.MessageID))
	}
	textTokens(m.Text, add)
	return b.String()
}

func numberToken(prefix string, n int64) string { return prefix + strconv.FormatInt(n, 10) }

// hashToken stands for an identifier that may be long and hold anything.
func hashToken(prefix, id string) string {
	sum := sha256.Sum256([]byte(id))
	return prefix + hex.EncodeToString(sum[:8])
}

// queryWord is one word of a search text.
type queryWord struct {
	text  string   // folded
	terms []string // of the index; all must be there. Empty when only the text can tell
	whole bool     // it begins with a letter or digit: only the beginning of a word matches
}

// queryWords splits a search text at white space.
func queryWords(text string) []queryWord {
	var words []queryWord
	for _, field := range strings.Fields(fold(text)) {
		first, _ := utf8.DecodeRuneInString(field)
		words = append(words, queryWord{text: field, terms: wordTerms(field), whole: classOf(first) == classWord})
	}
	return words
}

// wordTerms are the terms that every text with the word in it has: of
// ideographs the pairs, which imply the single ones; of a word that may go on
// in the text its beginning.
func wordTerms(word string) []string {
	var terms []string
	for r, ok := nextRun(word, 0); ok; r, ok = nextRun(word, r.end) {
		switch {
		case r.class == classIdeo:
			terms = append(terms, pairs(r.text)...)
		case r.class == classWord && r.end == len(word):
			terms = append(terms, quoteTerm(cutWord(r.text))+" *")
		case r.class == classWord:
			terms = append(terms, quoteTerm(cutWord(r.text)))
		default:
			terms = append(terms, quoteTerm(r.text))
		}
	}
	return terms
}

// pairs returns the overlapping pairs of a row of ideographs, or the only one.
func pairs(row string) []string {
	var terms []string
	before, previous := -1, -1
	for i, c := range row {
		if previous >= 0 {
			terms = append(terms, quoteTerm(row[previous:i+utf8.RuneLen(c)]))
		}
		before, previous = previous, i
	}
	if before < 0 {
		terms = append(terms, quoteTerm(row))
	}
	return terms
}

func quoteTerm(token string) string { return `"` + token + `"` }

// in tells whether a folded text has the word.
func (w queryWord) in(text string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], w.text)
		if i < 0 {
			return false
		}
		at := from + i
		if !w.whole || !continuesWord(text[:at]) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		from = at + size
	}
}

// continuesWord tells whether a letter after text belongs to a word at its end.
func continuesWord(text string) bool {
	for text != "" {
		r, size := utf8.DecodeLastRuneInString(text)
		switch classOf(r) {
		case classWord:
			return true
		case classMark:
			text = text[:len(text)-size]
		default:
			return false
		}
	}
	return false
}
