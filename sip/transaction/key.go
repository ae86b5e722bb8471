package transaction

import (
	"hash/maphash"
	"strconv"
	"strings"
	"sync"

	"github.com/sparkleim/sparkle/sip/wire"
)

const (
	cookie  = "z9hG4bK" // RFC 3261 §8.1.1.7
	shards  = 64
	keyRoom = 256 // a key up to this size is built on the stack
)

// table is a map in shards. Keys are built in a buffer of the caller and copied
// only when an entry is added: an entry never pins a message.
type table[T any] struct {
	seed  maphash.Seed
	shard [shards]struct {
		mu sync.Mutex
		m  map[string]T
	}
}

func newTable[T any]() *table[T] {
	t := &table[T]{seed: maphash.MakeSeed()}
	for i := range t.shard {
		t.shard[i].m = make(map[string]T)
	}
	return t
}

func (t *table[T]) find(key []byte) (T, bool) {
	s := &t.shard[maphash.Bytes(t.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.m[string(key)]
	return v, ok
}

// add keeps v; when the key is taken it returns who has it and false.
func (t *table[T]) add(key string, v T) (T, bool) {
	s := &t.shard[maphash.String(t.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, taken := s.m[key]; taken {
		return old, false
	}
	s.m[key] = v
	return v, true
}

func (t *table[T]) remove(key string) {
	s := &t.shard[maphash.String(t.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, key)
}

// appendServerKey writes the key that a request matches by, RFC 3261 §17.2.3,
// as if its method were method (ACK and CANCEL look for their INVITE).
func appendServerKey(dst []byte, in *Incoming, method string) []byte {
	branch := in.Via.Branch
	if !strings.HasPrefix(branch, cookie) {
		return appendOldServerKey(dst, in, method)
	}
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, in.Via.SentBy...)
	dst = append(dst, ' ')
	return append(dst, branch...)
}

// appendOldServerKey writes the key of an RFC 2543 peer, whose branch is not
// unique. The To tag does not count for INVITE: the ACK that has to match it
// carries the tag of our response.
func appendOldServerKey(dst []byte, in *Incoming, method string) []byte {
	toTag := in.ToTag
	if method == "INVITE" {
		toTag = ""
	}
	for _, part := range [...]string{
		"2543", method, in.Request.Recipient.String(), toTag, in.FromTag,
		in.CallID, in.Via.SentBy, in.Via.Branch,
	} {
		dst = append(dst, part...)
		dst = append(dst, ' ')
	}
	return strconv.AppendUint(dst, uint64(in.CSeq), 10)
}

// appendClientKey writes the key that a response matches by, RFC 3261 §17.1.3.
func appendClientKey(dst []byte, branch, method string) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	return append(dst, branch...)
}

// matchMethod is the method of the transaction that a request belongs to.
func matchMethod(core *wire.Core) string {
	if core.CSeqMethod == "ACK" {
		return "INVITE"
	}
	return core.CSeqMethod
}
