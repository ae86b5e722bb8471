package group

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sparkleim/sparkle/store"
)

// Bounds of what people write into a group's record, in characters.
const (
	maxSubject      = 64 // nicknames too
	maxAnnouncement = 2000
	maxPinned       = 20
	maxPicture      = 128
)

// blank are the characters that show nothing though they are no spaces: a name of
// them alone would be none. Inside a name they may hold an emoji together.
const blank = "\u00ad\u200b\u200c\u200d\u2060\u2800\u3164\ufeff"

// clean takes the blanks from the ends of what people write, and refuses what
// would not be shown as it is: control characters, and marks that turn the
// direction of the text around it. Only texts of several lines may break them.
func (w *words) clean(text string, most int, lines bool) (string, error) {
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(blank, r) })
	if !utf8.ValidString(text) {
		return "", deny(w.badText)
	}
	for _, r := range text {
		if lines && (r == '\n' || r == '\t') {
			continue
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return "", deny(w.badText)
		}
	}
	if utf8.RuneCountInString(text) > most {
		return "", denyf(w.tooLong, most)
	}
	return text, nil
}

func (c Rename) apply(d *draft) error {
	if err := d.may(actRename); err != nil {
		return err
	}
	subject, err := d.words.clean(c.Subject, maxSubject, false)
	switch {
	case err != nil:
		return err
	case subject == "" && d.group.Kind != store.GroupDiscussion:
		return deny(d.words.noSubject)
	case subject == d.group.Subject:
		return nil
	}
	d.group.Subject = subject
	d.record(ActionSubject, 0, subject)
	return nil
}

func (c MuteAll) apply(d *draft) error {
	if err := d.may(actMuteAll); err != nil || c.On == d.group.MutedAll {
		return err
	}
	d.group.MutedAll = c.On
	detail := "off"
	if c.On {
		detail = "on"
	}
	d.record(ActionMuteAll, 0, detail)
	return nil
}

func (c Announce) apply(d *draft) error {
	if err := d.may(actRename); err != nil {
		return err
	}
	text, err := d.words.clean(strings.ReplaceAll(c.Text, "\r\n", "\n"), maxAnnouncement, true)
	if err != nil {
		return err
	}
	before := ""
	if d.group.Announcement != nil {
		before = d.group.Announcement.Text
	}
	if text == before {
		return nil
	}
	d.group.Announcement = nil
	if text != "" {
		d.group.Announcement = &store.Announcement{Text: text, By: d.by.User, At: d.now}
	}
	d.record(ActionAnnounce, 0, text)
	return nil
}

func (c Pin) apply(d *draft) error {
	if err := d.may(actPin); err != nil {
		return err
	}
	at := slices.Index(d.group.Pinned, c.GID)
	switch {
	case (at >= 0) == c.On:
		return nil
	case !c.On:
		d.group.Pinned = slices.Delete(slices.Clone(d.group.Pinned), at, at+1)
		d.record(ActionUnpin, 0, store.GIDString(c.GID))
		return nil
	case !d.messages[c.GID]:
		return deny(d.words.foreignPin)
	case len(d.group.Pinned) >= maxPinned:
		return denyf(d.words.tooManyPins, maxPinned)
	}
	d.group.Pinned = slices.Concat([]int64{c.GID}, d.group.Pinned)
	d.record(ActionPin, 0, store.GIDString(c.GID))
	return nil
}

func (c SetPicture) apply(d *draft) error {
	if err := d.may(actRename); err != nil {
		return err
	}
	if err := checkPicture(c.Name); err != nil || c.Name == d.group.Picture {
		return err
	}
	d.group.Picture = c.Name
	d.record(ActionPicture, 0, c.Name)
	return nil
}

// checkPicture judges the name of a picture: it may become part of a path.
func checkPicture(name string) error {
	allowed := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.'
	}
	if len(name) > maxPicture || strings.HasPrefix(name, ".") || strings.ContainsFunc(name, func(r rune) bool { return !allowed(r) }) {
		return fmt.Errorf("%w: %q is no name of a picture", store.ErrInvalid, name)
	}
	return nil
}

func (c SetPolicy) apply(d *draft) error {
	if err := d.may(actPolicy); err != nil {
		return err
	}
	if err := checkPolicy(c.Policy); err != nil || c.Policy == d.group.Policy {
		return err
	}
	d.group.Policy = c.Policy
	d.record(ActionPolicy, 0, "")
	return nil
}

// checkPolicy judges the values of a policy.
func checkPolicy(p store.GroupPolicy) error {
	for _, r := range [...]store.Role{p.Invite, p.Rename, p.Pin, p.MentionAll, p.Speak, p.Promote, p.Private} {
		if r < 0 || r > store.RoleOwner && r != store.RoleNobody {
			return fmt.Errorf("%w: a policy names member, administrator, owner or nobody, not %s", store.ErrInvalid, r)
		}
	}
	if p.MaxMembers < 0 || p.AllDaily < 0 || p.History < -1 {
		return fmt.Errorf("%w: a number of the policy is negative", store.ErrInvalid)
	}
	return nil
}

func (Convert) apply(d *draft) error {
	if err := d.may(actConvert); err != nil {
		return err
	}
	if d.group.Kind == store.GroupManual {
		return nil
	}
	d.group.Kind, d.group.Follows = store.GroupManual, nil
	d.record(ActionConvert, 0, "")
	return nil
}

func (Dissolve) apply(d *draft) error {
	if err := d.may(actDissolve); err != nil {
		return err
	}
	d.dissolve()
	return nil
}
