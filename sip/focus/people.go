package focus

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// people remembers how members are written: a roster names thousands, and may not
// ask the store for each. All are read at the start.
type people struct {
	users  Users
	domain string
	known  sync.Map // store.UserID → person
}

// person is a user in a document.
type person struct {
	uri  string
	name string // "" when he has none but his address
}

const nameTimeout = 2 * time.Second

// load reads everybody.
func (p *people) load(ctx context.Context) error {
	const page = 1000
	for after := store.UserID(0); ; {
		users, err := p.users.ListUsers(ctx, "", after, page)
		if err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		for _, u := range users {
			p.learn(u)
			after = u.ID
		}
		if len(users) < page {
			return nil
		}
	}
}

func (p *people) learn(u store.User) {
	uri := "sip:" + wire.EscapeUser(u.Username) + "@" + cmp.Or(u.Domain, p.domain)
	p.known.Store(u.ID, person{uri, u.DisplayName})
}

// find returns a user; one whom nobody has spoken of yet is read. ok is false when
// there is none any more.
func (p *people) find(u store.UserID) (person, bool) {
	if v, ok := p.known.Load(u); ok {
		return v.(person), true
	}
	ctx, cancel := context.WithTimeout(context.Background(), nameTimeout)
	defer cancel()
	user, err := p.users.User(ctx, u)
	if err != nil {
		return person{}, false
	}
	p.learn(user)
	v, _ := p.known.Load(u)
	return v.(person), true
}

// UserChanged tells the present name of a user, or that there is a new one.
func (s *Service) UserChanged(u store.User) { s.people.learn(u) }
