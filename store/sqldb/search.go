package sqldb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sparkleim/sparkle/store"
)

const (
	defaultFound = 50
	maxFound     = 1000
	maxScan      = 200_000         // messages that one search looks at beside the index
	scanTime     = 2 * time.Second // and how long it does
	maxLookedUp  = 20_000          // messages of the index that one search for a viewer compares
	maxViewing   = 2               // searches of viewers at a time: fewer than there are readers
	exportPage   = 500
)

// filter is a search query made ready.
type filter struct {
	store.SearchQuery
	words         []queryWord
	lens          *lens // nil without a viewer
	after, before int64 // gids between which to look, both excluded
}

func newFilter(q store.SearchQuery) *filter {
	f := &filter{SearchQuery: q, words: queryWords(q.Text), before: math.MaxInt64}
	if !q.Since.IsZero() {
		f.after = gidAt(q.Since) - 1
	}
	if !q.Until.IsZero() {
		f.before = gidAt(q.Until)
	}
	if q.Before > 0 {
		f.before = min(f.before, q.Before)
	}
	return f
}

// match compares a message with everything but the time.
func (f *filter) match(m *store.Message) bool {
	if f.CallID != "" && m.CallID != f.CallID || f.MessageID != "" && m.MessageID != f.MessageID {
		return false
	}
	if f.Kind != 0 && m.Kind != f.Kind || !f.between(m.From, m.To) || f.Group != 0 && !inGroup(m, f.Group) {
		return false
	}
	if len(f.words) == 0 {
		return true
	}
	text := fold(m.Text)
	for _, w := range f.words {
		if !w.in(text) {
			return false
		}
	}
	return true
}

// inGroup tells whether a message is in the conversation of a group.
func inGroup(m *store.Message, g store.GroupID) bool {
	return m.Group == g && m.Kind != store.KindReceipt
}

// between tells whether User and Peer, as far as they are given, are from and to.
func (f *filter) between(from, to store.UserID) bool {
	fits := func(want, is store.UserID) bool { return want == 0 || want == is }
	return fits(f.User, from) && fits(f.Peer, to) || fits(f.User, to) && fits(f.Peer, from)
}

// cutShort makes a partial result of a search that took too long.
func (f *filter) cutShort(ctx context.Context, err error, r *store.SearchResult) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		r.Partial = true
		return nil
	}
	return err
}

// all tells that every message matches.
func (f *filter) all() bool {
	return len(f.words) == 0 && f.User == 0 && f.Peer == 0 && f.Group == 0 && f.CallID == "" && f.MessageID == "" && f.Kind == 0
}

// terms are those of the index that every match has.
func (f *filter) terms() []string {
	var terms []string
	for _, u := range []store.UserID{f.User, f.Peer} {
		if u != 0 {
			terms = append(terms, quoteTerm(numberToken(tokenUser, int64(u))))
		}
	}
	if f.CallID != "" {
		terms = append(terms, quoteTerm(hashToken(tokenCallID, f.CallID)))
	}
	if f.MessageID != "" {
		terms = append(terms, quoteTerm(hashToken(tokenMessageID, f.MessageID)))
	}
	for _, w := range f.words {
		terms = append(terms, w.terms...)
	}
	return terms
}

// Search implements store.Archive.
func (db *DB) Search(ctx context.Context, q store.SearchQuery) (store.SearchResult, error) {
	if q.Limit <= 0 {
		q.Limit = defaultFound
	}
	q.Limit = min(q.Limit, maxFound)
	if q.Viewer != 0 {
		select {
		case db.viewing <- struct{}{}:
			defer func() { <-db.viewing }()
		case <-ctx.Done():
			return store.SearchResult{}, ctx.Err()
		}
	}
	f := newFilter(q)
	terms, err := db.searchTerms(ctx, f)
	if err != nil {
		return store.SearchResult{}, fmt.Errorf("search: %w", err)
	}
	var r store.SearchResult
	tail := f.after // what is newer than the index is scanned
	useIndex := db.index.reader != nil && len(terms) > 0
	if useIndex {
		tail = max(tail, db.index.indexed.Load())
	}
	scan := db.scan
	if f.Viewer != 0 {
		f.lens = db.lensOf(f.Viewer)
		scan = f.lens.scan
	}
	if err := scan(ctx, f, tail, &r); err != nil {
		return store.SearchResult{}, fmt.Errorf("search: %w", err)
	}
	if useIndex && !r.Partial {
		if err := db.lookUp(ctx, f, terms, min(f.before, tail+1), &r); err != nil {
			return store.SearchResult{}, fmt.Errorf("search: %w", err)
		}
	}
	return r, nil
}

// searchTerms narrows a search in a group or between two users to their
// conversation, and any other of a viewer to what may be his.
func (db *DB) searchTerms(ctx context.Context, f *filter) ([]string, error) {
	terms := f.terms()
	var key convKey
	switch {
	case f.Group != 0:
		key = keyOfGroup(f.Group)
	case (f.User == 0 || f.Peer == 0) && f.Viewer != 0:
		own, err := db.lensOf(f.Viewer).term(ctx)
		return append(terms, own), err
	case f.User == 0 || f.Peer == 0:
		return terms, nil
	case f.Kind == store.KindText:
		key = keyOfTwo(convTwo, f.User, f.Peer)
	case f.Kind == store.KindReceipt:
		key = keyOfTwo(convReceipts, f.User, f.Peer)
	default:
		return terms, nil
	}
	conv, err := db.conversation(ctx, key)
	if err != nil {
		return terms, ignoreNoRows(err)
	}
	return append(terms, quoteTerm(numberToken(tokenConversation, int64(conv)))), nil
}

// scan looks at the messages above tail, newest first, one by one.
func (db *DB) scan(ctx context.Context, f *filter, tail int64, r *store.SearchResult) error {
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	rows, err := db.reader.QueryContext(ctx, `SELECT `+messageColumns+` FROM message WHERE gid > $1 AND gid < $2 ORDER BY gid DESC`, tail, f.before)
	if err != nil {
		return err
	}
	defer rows.Close()
	for seen := 0; len(r.Messages) < f.Limit && rows.Next(); seen++ {
		if seen == maxScan && !f.all() {
			r.Partial = true
			return nil
		}
		m, err := scanMessage(rows)
		if err != nil {
			return err
		}
		if f.match(&m) {
			r.Messages = append(r.Messages, m)
		}
	}
	return f.cutShort(ctx, rows.Err(), r)
}

// lookUp asks the index for messages below before and compares each with the
// query: a text can have all pairs of a word without the word. For a viewer it
// gives up after a while, for he may have cleared a million of them.
func (db *DB) lookUp(ctx context.Context, f *filter, terms []string, before int64, r *store.SearchResult) error {
	for seen := 0; len(r.Messages) < f.Limit; {
		chunk := max(64, f.Limit-len(r.Messages))
		gids, err := db.index.find(ctx, terms, f.after, before, chunk)
		if err != nil {
			return err
		}
		for _, gid := range gids {
			if err := db.compare(ctx, f, gid, r); err != nil {
				return err
			}
		}
		if len(gids) < chunk {
			return nil
		}
		before = gids[len(gids)-1]
		if seen += len(gids); f.lens != nil && seen >= maxLookedUp {
			r.Partial = true
			return nil
		}
	}
	return nil
}

// compare adds a message of the index to the result if it matches.
func (db *DB) compare(ctx context.Context, f *filter, gid int64, r *store.SearchResult) error {
	m, err := db.Message(ctx, gid)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || !f.match(&m) || len(r.Messages) == f.Limit {
		return err
	}
	if f.lens != nil {
		if shown, err := f.lens.shows(ctx, &m); err != nil || !shown {
			return err
		}
	}
	r.Messages = append(r.Messages, m)
	return nil
}

// Export implements store.Archive. It reads page by page, so that a slow fn
// holds up nobody.
func (db *DB) Export(ctx context.Context, q store.SearchQuery, fn func(*store.Message) error) error {
	f := newFilter(q)
	for after := f.after; ; {
		page, err := db.messages(ctx, `SELECT `+messageColumns+` FROM message WHERE gid > $1 AND gid < $2 ORDER BY gid LIMIT $3`, after, f.before, exportPage)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		for i := range page {
			if !f.match(&page[i]) {
				continue
			}
			if err := fn(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < exportPage {
			return nil
		}
		after = page[len(page)-1].GID
	}
}
