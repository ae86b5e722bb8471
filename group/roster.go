package group

import (
	"cmp"
	"iter"
	"slices"

	"github.com/sparkleim/sparkle/store"
)

// mostInChunk bounds what a change of one member copies.
const mostInChunk = 64

// roster is a set of members that never changes: sorted by user, in chunks that
// a changed roster shares with the one before. A change of one member of 5,000
// copies one chunk and the list of chunks, some 8 KiB instead of 440.
type roster struct {
	chunks [][]store.Member // none is empty
	size   int
}

// find returns the member u, nil when he is none.
func (r roster) find(u store.UserID) *store.Member {
	c, found := slices.BinarySearchFunc(r.chunks, u, func(c []store.Member, u store.UserID) int {
		return cmp.Compare(c[0].User, u)
	})
	if !found {
		c-- // the last chunk that begins before u
	}
	if c < 0 {
		return nil
	}
	i, found := slices.BinarySearchFunc(r.chunks[c], u, func(m store.Member, u store.UserID) int {
		return cmp.Compare(m.User, u)
	})
	if !found {
		return nil
	}
	return &r.chunks[c][i]
}

// all yields the members with their places, as slices.All does.
func (r roster) all() iter.Seq2[int, store.Member] {
	return func(yield func(int, store.Member) bool) {
		i := 0
		for _, c := range r.chunks {
			for _, m := range c {
				if !yield(i, m) {
					return
				}
				i++
			}
		}
	}
}

// edit is what becomes of one user: a member, or none.
type edit struct {
	user   store.UserID
	member *store.Member
}

// with returns the roster without remove and then with set.
func (r roster) with(set []store.Member, remove []store.UserID) roster {
	edits := make([]edit, 0, len(set)+len(remove))
	for _, u := range remove {
		edits = append(edits, edit{user: u})
	}
	for i := range set {
		edits = append(edits, edit{set[i].User, &set[i]})
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.user, b.user) })

	next := roster{chunks: make([][]store.Member, 0, len(r.chunks)+len(edits)/mostInChunk+1)}
	for i, c := range r.chunks {
		n := len(edits) // those before the next chunk belong to this one
		if i+1 < len(r.chunks) {
			n, _ = slices.BinarySearchFunc(edits, r.chunks[i+1][0].User, func(e edit, u store.UserID) int {
				return cmp.Compare(e.user, u)
			})
		}
		if n > 0 {
			c = merge(c, edits[:n])
			edits = edits[n:]
		}
		next.add(c)
	}
	if len(edits) > 0 { // there was no chunk
		next.add(merge(nil, edits))
	}
	return next
}

// merge applies sorted edits to sorted members.
func merge(members []store.Member, edits []edit) []store.Member {
	merged := make([]store.Member, 0, len(members)+len(edits))
	for _, e := range edits {
		for len(members) > 0 && members[0].User < e.user {
			merged = append(merged, members[0])
			members = members[1:]
		}
		if len(members) > 0 && members[0].User == e.user {
			members = members[1:]
		}
		if e.member != nil {
			merged = append(merged, *e.member)
		}
	}
	return append(merged, members...)
}

// add appends members: as they are when they fit, else in equal parts, and
// together with the last chunk when both are small.
func (r *roster) add(members []store.Member) {
	if len(members) == 0 {
		return
	}
	r.size += len(members)
	if n := len(r.chunks); n > 0 && len(r.chunks[n-1])+len(members) <= mostInChunk/2 {
		r.chunks[n-1] = slices.Concat(r.chunks[n-1], members)
		return
	}
	if len(members) <= mostInChunk {
		r.chunks = append(r.chunks, members)
		return
	}
	parts := (len(members) + mostInChunk - 1) / mostInChunk
	for c := range slices.Chunk(members, (len(members)+parts-1)/parts) {
		r.chunks = append(r.chunks, c)
	}
}
