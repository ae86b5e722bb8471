package chat

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// lookupTimeout bounds the search for what the receipts of one message are about.
const lookupTimeout = 5 * time.Second

// acceptReceipts takes what a member's device tells of messages of the group. In
// a group of up to Config.Receipts members their writers are told; in any group
// the position of the reader moves. A receipt that did not come in CPIM moves the
// position and goes no further: Linphone 5.1 dies of one in a room.
func (s *Service) acceptReceipts(g *group.Snapshot, sub *submission) {
	rs := sub.content.receipts()
	small := g.Size() <= s.cfg.Receipts && sub.content.fitsRoom()
	if !small {
		rs = slices.DeleteFunc(rs, func(r receipt) bool { return !r.displayed() })
	}
	if len(rs) == 0 {
		sub.Reply(200, "")
		return
	}
	found, missing := s.recent.find(messageName{group: g.ID}, rs)
	search := func() {
		if found, err := s.search(g, missing, found); err != nil {
			s.refuse(sub, err)
		} else {
			s.confirm(g, sub, found, small)
		}
	}
	if len(missing) == 0 || sub.origin.flow.Reliable() { // as in resolve
		search()
	} else if err := s.errands.Do(sub.from.User.ID, search); err != nil {
		s.refuse(sub, err)
	}
}

// search adds to found what the archive knows of receipts. Those about messages
// that it does not know are left out.
func (s *Service) search(g *group.Snapshot, missing []receipt, found []about) ([]about, error) {
	ctx, cancel := context.WithTimeout(s.ctx, lookupTimeout)
	defer cancel()
	for _, r := range missing {
		m, err := s.named(ctx, g, r.MessageID)
		switch {
		case err == nil:
			found = append(found, about{r, placeOf(&m)})
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	return found, nil
}

// named finds a message of a group in the archive: by its Message-ID, or by the
// Call-ID that we gave it on its way to a device outside of the room.
func (s *Service) named(ctx context.Context, g *group.Snapshot, name string) (store.Message, error) {
	id, ours := strings.CutSuffix(name, "@"+s.cfg.Domain)
	gid, err := strconv.ParseInt(id, 16, 64)
	if !ours || err != nil {
		return s.cfg.Archive.Named(ctx, g.Conversation, name)
	}
	m, err := s.cfg.Archive.Message(ctx, gid)
	if err == nil && m.Conversation != g.Conversation {
		err = store.ErrNotFound
	}
	return m, err
}

// confirm does what receipts are for, and answers when all is kept. Those about
// messages that the reader does not see are answered like those about none.
func (s *Service) confirm(g *group.Snapshot, sub *submission, abouts []about, tell bool) {
	reader, _ := g.Member(sub.from.User.ID)
	abouts = slices.DeleteFunc(abouts, func(a about) bool { return a.seq <= reader.JoinedSeq })
	if s.readUpTo(reader.User, abouts) {
		s.showRead(g, sub)
	}
	if authors := authorsOf(g, abouts, reader.User); tell && len(authors) > 0 {
		s.tellAuthors(g, sub, authors)
		return
	}
	sub.Reply(200, "")
}

// authorsOf are the members, but for the reader, who wrote what receipts are about.
// Who has left learns no more of who reads him.
func authorsOf(g *group.Snapshot, abouts []about, reader store.UserID) (authors []store.UserID) {
	for _, a := range abouts {
		if a.author != reader && wasIn(g, a.author) && !slices.Contains(authors, a.author) {
			authors = append(authors, a.author)
		}
	}
	return authors
}

// showRead passes a receipt to the reader's other devices in the room: they mark
// it read.
func (s *Service) showRead(g *group.Snapshot, sub *submission) {
	if !sub.content.fitsRoom() {
		return
	}
	m := *sub.msg
	m.Kind, m.Group, m.At = store.KindReceipt, g.ID, sub.start
	s.pass(&item{msg: &m, from: &sub.from.User, room: roomOf(g)}, s.cfg.Locations.Lookup(m.From))
}

// tellAuthors keeps a receipt for each writer of a message that it is about.
func (s *Service) tellAuthors(g *group.Snapshot, sub *submission, authors []store.UserID) {
	var left, failed atomic.Int32
	left.Store(int32(len(authors)))
	for _, author := range authors {
		m := *sub.msg
		m.Kind, m.Group, m.To = store.KindReceipt, g.ID, author
		m.Dedup = dedupInGroup(sub, g, author)
		to := &store.User{ID: author}
		it := &item{msg: &m, from: &sub.from.User, to: to, room: roomOf(g)}
		s.keep(it, &sub.from, s.located(*to), sub.start, func(_ store.Accepted, err error) {
			if err != nil && failed.Add(1) == 1 {
				s.refuse(sub, err) // what was kept is known when it comes again
			}
			if left.Add(-1) == 0 && failed.Load() == 0 {
				sub.Reply(202, "")
			}
		})
	}
}
