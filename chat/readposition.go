package chat

import (
	"context"
	"slices"

	"github.com/sparkleim/sparkle/store"
)

// hasRead moves the position up to which somebody has read what another one wrote to
// him, by the receipts of his devices. It does not block.
func (s *Service) hasRead(reader, author store.UserID, rs []receipt) {
	rs = slices.DeleteFunc(rs, func(r receipt) bool { return !r.displayed() })
	if len(rs) == 0 {
		return
	}
	found, missing := s.recent.find(messageName{from: author, to: reader}, rs)
	s.readUpTo(reader, found)
	if len(missing) > 0 { // where too many wait for that it is left: the next receipt moves it too
		_ = s.errands.Do(reader, func() { s.readUpTo(reader, s.searchPair(reader, author, missing)) })
	}
}

// readUpTo moves the position of a reader to the last of messages of one
// conversation that he has seen, and tells whether there is one.
func (s *Service) readUpTo(reader store.UserID, abouts []about) bool {
	var last place
	for _, a := range abouts {
		if a.displayed() && a.seq > last.seq {
			last = a.place
		}
	}
	if last.seq > 0 {
		s.cfg.Archive.ReadUpTo(reader, last.conversation, last.seq)
	}
	return last.seq > 0
}

// lookBack is how many of the newest messages between two are looked at for the
// one that a receipt is about.
const lookBack = 100

// searchPair finds messages between two in the archive.
func (s *Service) searchPair(reader, author store.UserID, rs []receipt) (found []about) {
	ctx, cancel := context.WithTimeout(s.ctx, lookupTimeout)
	defer cancel()
	msgs, err := s.cfg.Archive.Page(ctx, reader, author, 0, lookBack)
	if err != nil {
		s.log.Warn("read position not moved", "user", reader, "err", err)
		return nil
	}
	for i := range msgs {
		m := &msgs[i]
		for _, r := range rs {
			if m.From == author && nameOf(m).name == r.MessageID {
				found = append(found, about{r, placeOf(m)})
			}
		}
	}
	return found
}
