package cache

import (
	"sync"
	"sync/atomic"

	"github.com/sparkleim/sparkle/store"
)

// UserSet tells about each user of a large group in a few nanoseconds whether
// there is any reason to look for him. The zero value is empty. It is safe for
// concurrent use; asking takes no lock.
type UserSet struct {
	mu   sync.Mutex // of changes
	bits atomic.Pointer[[]atomic.Uint64]
}

// mostUsers bounds the memory of a set to 8 MiB: numbers of users are dense.
const mostUsers = 1 << 26

// MayHave tells whether u was added and not removed since. Of users beyond the
// first 2^26 it says so of everyone.
func (s *UserSet) MayHave(u store.UserID) bool {
	word, bit := place(u)
	bits := s.bits.Load()
	switch {
	case uint64(u) >= mostUsers:
		return true
	case bits == nil || word >= len(*bits):
		return false
	}
	return (*bits)[word].Load()&bit != 0
}

// Add adds u.
func (s *UserSet) Add(u store.UserID) {
	if uint64(u) >= mostUsers {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	word, bit := place(u)
	s.grow(word + 1)
	(*s.bits.Load())[word].Or(bit)
}

// Remove takes u out.
func (s *UserSet) Remove(u store.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	word, bit := place(u)
	if bits := s.bits.Load(); uint64(u) < mostUsers && bits != nil && word < len(*bits) {
		(*bits)[word].And(^bit)
	}
}

// grow makes room for so many words. s.mu is held.
func (s *UserSet) grow(words int) {
	var old []atomic.Uint64
	if bits := s.bits.Load(); bits != nil {
		old = *bits
	}
	if words <= len(old) {
		return
	}
	bits := make([]atomic.Uint64, max(words, 2*len(old)))
	for i := range old {
		bits[i].Store(old[i].Load())
	}
	s.bits.Store(&bits)
}

// place is the word of a user and his bit in it.
func place(u store.UserID) (word int, bit uint64) {
	return int(uint64(u) / 64), 1 << (uint64(u) % 64)
}
