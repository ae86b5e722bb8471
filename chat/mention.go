package chat

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sparkleim/sparkle/store"
)

// Bounds of the search for mentions: what a message costs does not grow with the
// number of @ in it.
const (
	maxMentions   = 256 // places in a text that are looked at
	maxNamesakes  = 10  // members of the same name that one @ addresses
	maxMentionLen = 260 // bytes after an @ in which a name must end
)

// everybody is what follows the @ that addresses all members, in lower case.
var everybody = [...]string{"all", "所有人", "全体成员"}

// parseMentions finds who a text addresses by @name: of the names that fit
// behind an @ the longest counts, whoever bears it, and letters mean the same in
// either case. all tells of @all and its like. names yields each member with his
// nickname and his own name; it is not asked when the text has no @. users is
// sorted.
func parseMentions(text string, names iter.Seq2[store.UserID, string]) (users []store.UserID, all bool) {
	places := mentionPlaces(text)
	if len(places) == 0 {
		return nil, false
	}
	for _, word := range everybody {
		for p := range placesOf(places, word) {
			p.take(word, 0)
		}
	}
	for u, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "" {
			continue
		}
		for p := range placesOf(places, name) {
			p.take(name, u)
		}
	}
	for _, p := range places {
		users = append(users, p.users...)
	}
	slices.Sort(users)
	users = slices.Compact(users)
	if len(users) > 0 && users[0] == 0 {
		return users[1:], true
	}
	return users, false
}

// mention is a place in a text where a name may stand.
type mention struct {
	after string         // what follows the @, in lower case
	best  int            // bytes of the longest name so far
	users []store.UserID // who bears it; 0 is everybody
}

// mentionPlaces returns what follows each @ of a text that does not belong to an
// e-mail address, sorted and each only once.
func mentionPlaces(text string) []mention {
	if !strings.Contains(text, "@") && !strings.Contains(text, "＠") {
		return nil
	}
	var places []mention
	before := ' '
	for i, r := range text {
		if (r == '@' || r == '＠') && !joins(before) {
			after := text[i+utf8.RuneLen(r):]
			places = append(places, mention{after: strings.ToLower(after[:min(len(after), maxMentionLen)])})
			if len(places) == maxMentions {
				break
			}
		}
		before = r
	}
	slices.SortFunc(places, func(a, b mention) int { return cmp.Compare(a.after, b.after) })
	return slices.CompactFunc(places, func(a, b mention) bool { return a.after == b.after })
}

// placesOf yields the places where a name stands; after the name a word of its
// script must be over.
func placesOf(places []mention, name string) iter.Seq[*mention] {
	return func(yield func(*mention) bool) {
		i, _ := slices.BinarySearchFunc(places, name, func(p mention, name string) int { return cmp.Compare(p.after, name) })
		for ; i < len(places) && strings.HasPrefix(places[i].after, name); i++ {
			last, _ := utf8.DecodeLastRuneInString(name)
			next, _ := utf8.DecodeRuneInString(places[i].after[len(name):])
			if joins(last) && joins(next) {
				continue // @anna is not @ann
			}
			if !yield(&places[i]) {
				return
			}
		}
	}
}

// take notes that the bearer of a name is addressed here, unless a longer name
// fits.
func (p *mention) take(name string, u store.UserID) {
	switch {
	case len(name) > p.best:
		p.best, p.users = len(name), append(p.users[:0], u)
	case len(name) == p.best && len(p.users) < maxNamesakes && !slices.Contains(p.users, u):
		p.users = append(p.users, u)
	}
}

// joins tells letters and digits of scripts that divide words by blanks.
func joins(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
	}
	return (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)) &&
		!unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
}
