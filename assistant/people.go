package assistant

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/sparkleim/sparkle/store"
)

const (
	maxPeople   = 50  // named in one command
	searchPage  = 200 // people of similar names, a page
	searchPages = 5
)

// noSuch is the refusal that a name fits nobody.
type noSuch struct{ refusal }

// address finds somebody by username, number or address; the mark of mentions may
// stand in front.
func (r *request) address(name string) (store.User, error) {
	name = strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(name, "@"), "sip:"))
	user, domain, _ := strings.Cut(name, "@")
	if domain = cmp.Or(domain, r.by.Domain); domain != r.by.Domain || user == "" {
		return store.User{}, store.ErrNotFound
	}
	u, err := r.cfg.Users.UserByAddress(r.ctx, user, domain)
	if err == nil && u.ID == r.cfg.Self {
		err = store.ErrNotFound
	}
	return u, err
}

// displayed finds people by their whole displayed name.
func (r *request) displayed(name string) ([]store.User, error) {
	var found []store.User
	after := store.UserID(0)
	for range searchPages {
		page, err := r.cfg.Users.ListUsers(r.ctx, name, after, searchPage)
		if err != nil {
			return nil, err
		}
		for _, u := range page {
			if after = u.ID; strings.EqualFold(u.DisplayName, name) && u.ID != r.cfg.Self {
				found = append(found, u)
			}
		}
		if len(page) < searchPage {
			break
		}
	}
	return found, nil
}

// person finds somebody of the organisation.
func (r *request) person(name string) (store.User, error) {
	u, err := r.address(name)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return u, err
	}
	name = strings.TrimPrefix(name, "@")
	found, err := r.displayed(name)
	if err != nil {
		return u, err
	}
	return r.only(found, name, r.words.nobody)
}

// member finds a member of the group, also by his nickname there.
func (r *request) member(name string) (store.User, error) {
	u, err := r.address(name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return u, err
	}
	if err == nil && isMember(r.group, u.ID) {
		return u, nil
	}
	name = strings.TrimPrefix(name, "@")
	found, err := r.displayed(name)
	if err != nil {
		return u, err
	}
	found = slices.DeleteFunc(found, func(u store.User) bool { return !isMember(r.group, u.ID) })
	for _, m := range r.group.Members() {
		if !strings.EqualFold(m.Nickname, name) || slices.ContainsFunc(found, func(u store.User) bool { return u.ID == m.User }) {
			continue
		}
		u, err := r.cfg.Users.User(r.ctx, m.User)
		if err != nil {
			return u, err
		}
		found = append(found, u)
	}
	return r.only(found, name, r.words.noMember)
}

// only takes the one who was found, and says why when it is not one.
func (r *request) only(found []store.User, name, nobody string) (store.User, error) {
	switch len(found) {
	case 0:
		return store.User{}, noSuch{refusal(r.words.say(nobody, oneLine(name, maxShownName)))}
	case 1:
		return found[0], nil
	}
	var usernames []string
	for _, u := range found[:min(len(found), maxSuggestions)] {
		usernames = append(usernames, numberOf(u))
	}
	return store.User{}, refusal(r.words.say(r.words.severalPeople, name, strings.Join(usernames, r.words.comma)))
}

// people reads what is left as names: as one, or as several. Each person comes
// once.
func (r *request) people(find func(string) (store.User, error)) ([]store.User, error) {
	if r.rest == "" {
		return nil, r.usage()
	}
	names := list(r.rest)
	if len(names) > maxPeople {
		return nil, refusal(r.words.say(r.words.tooManyPeople, maxPeople))
	}
	if len(names) > 1 {
		if u, err := find(r.rest); err == nil {
			return []store.User{u}, nil
		}
	}
	var all []store.User
	for _, n := range names {
		u, err := find(n)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(o store.User) bool { return o.ID == u.ID }) {
			all = append(all, u)
		}
	}
	if len(all) == 0 {
		return nil, r.usage()
	}
	return all, nil
}

// oneMember reads what is left as one member.
func (r *request) oneMember() (store.User, error) {
	if r.rest == "" {
		return store.User{}, r.usage()
	}
	name, rest, quoted := cutName(r.rest)
	if !quoted || rest != "" {
		name = r.rest
	}
	return r.member(name)
}

// called is what people are called in the group, joined.
func (r *request) names(users []store.User) string {
	var all []string
	for _, u := range users {
		all = append(all, r.nameIn(u))
	}
	return strings.Join(all, r.words.comma)
}

// nameIn is what somebody is called in the group.
func (r *request) nameIn(u store.User) string {
	if r.group != nil {
		m, _ := r.group.Member(u.ID)
		return cmp.Or(m.Nickname, nameOf(u))
	}
	return nameOf(u)
}

// nameByID is nameIn for who is known by his number only.
func (r *request) nameByID(id store.UserID) string {
	u, err := r.cfg.Users.User(r.ctx, id)
	if err != nil {
		return r.words.someone
	}
	return r.nameIn(u)
}

// numberOf is what somebody is dialled by: his shortest number.
func numberOf(u store.User) string {
	best := u.Username
	for i, n := range u.Numbers {
		if i == 0 || len(n) < len(best) {
			best = n
		}
	}
	return best
}

func ids(users []store.User) []store.UserID {
	all := make([]store.UserID, len(users))
	for i, u := range users {
		all[i] = u.ID
	}
	return all
}
