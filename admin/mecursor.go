package admin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/sparkleim/sparkle/store"
)

// cursorKind says what a cursor goes on with.
type cursorKind byte

const (
	afterStamp cursorKind = 1 // what changed after a stamp
	inSnapshot cursorKind = 2 // the rest of the list, and then what changed after the stamp
	inList     cursorKind = 3 // the rest of the list
)

// The form of a cursor, in bytes, numbers in network order:
//
//	version 1 | kind 1 | stamp 8 | newest 8 | conversation 8 | pinned 1 | MAC 16
const (
	cursorVersion = 1
	cursorFields  = 27
	cursorSize    = cursorFields + 16
)

// cursor is a place in what a device syncs. Its MAC is also over the user, and
// its key is a secret that no backup holds: a cursor is good for one user and one
// history of the database.
type cursor struct {
	kind  cursorKind
	stamp int64
	last  store.ConversationRow // of the list, before the rest; of it only the place counts
}

// before is the row after which a list goes on, nil for its beginning.
func (c *cursor) before() *store.ConversationRow {
	if c.last.Conversation == 0 {
		return nil
	}
	return &c.last
}

// sign writes a cursor for a user.
func (c *cursor) sign(key []byte, u store.UserID) string {
	b := make([]byte, 0, cursorSize)
	b = append(b, cursorVersion, byte(c.kind))
	for _, n := range []int64{c.stamp, c.last.Newest, int64(c.last.Conversation)} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	pinned := byte(0)
	if c.last.State.Pinned != nil {
		pinned = 1
	}
	b = append(b, pinned)
	return base64.RawURLEncoding.EncodeToString(append(b, cursorMAC(key, u, b)...))
}

// readCursor returns false for what was not signed for this user with this key.
func readCursor(key []byte, u store.UserID, s string) (c cursor, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s) // skips line ends
	if err != nil || len(s) != base64.RawURLEncoding.EncodedLen(cursorSize) || len(b) != cursorSize || b[0] != cursorVersion || !hmac.Equal(b[cursorFields:], cursorMAC(key, u, b[:cursorFields])) {
		return c, false
	}
	number := func(at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }
	c.kind, c.stamp = cursorKind(b[1]), number(2)
	c.last = store.ConversationRow{Newest: number(10), Conversation: store.ConversationID(number(18))}
	if b[26] == 1 {
		c.last.State.Pinned = new(time.Time)
	}
	return c, true
}

func cursorMAC(key []byte, u store.UserID, fields []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(u)))
	mac.Write(fields)
	return mac.Sum(nil)[:cursorSize-cursorFields]
}
