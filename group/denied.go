package group

import (
	"fmt"
	"strings"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// Denied is a refusal that the user is told in words.
type Denied struct {
	Text  string
	Until time.Time // muted until, zero otherwise
}

func (d *Denied) Error() string { return d.Text }

func deny(text string) error { return &Denied{Text: text} }

// denyf makes a refusal of a form of words.
func denyf(form string, args ...any) error { return deny(fmt.Sprintf(form, args...)) }

// forbidden tells who may do what he may not.
func (w *words) forbidden(a action, least store.Role, kind store.GroupKind) error {
	what := w.actions[a]
	switch {
	case kind == store.GroupFixed && rights[a].fixed == closed:
		return denyf(w.fixed, what)
	case least == store.RoleOwner:
		return denyf(w.ownerOnly, what)
	case least == store.RoleAdministrator:
		return denyf(w.administratorsOnly, what)
	}
	return denyf(w.nobody, what)
}

// mutedError tells until when somebody may not write.
func (w *words) mutedError(until, now time.Time) error {
	if until.Sub(now) > foreverAfter {
		return &Denied{Text: w.mutedForGood, Until: until}
	}
	return &Denied{Text: w.mutedUntil + until.In(now.Location()).Format(w.time), Until: until}
}

// foreverAfter is when a muting is no longer told with its end.
const foreverAfter = 5 * 365 * 24 * time.Hour

// people joins the first of total names, and tells how many there are when that
// is more than the names given.
func (w *words) people(names []string, total int) string {
	names = names[:min(len(names), shownNames)]
	if total <= len(names) {
		return w.list(names)
	}
	return strings.Join(names, w.comma) + fmt.Sprintf(w.andMore, total)
}

// list joins names.
func (w *words) list(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], w.comma) + w.and + names[last]
}

// shownNames is how many people are named before they are only counted.
const shownNames = 4
