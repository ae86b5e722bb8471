package chat

import (
	"testing"

	"github.com/sparkleim/sparkle/store"
)

func TestCirculation(t *testing.T) {
	message := func(gid int64, size int) *item {
		return &item{msg: &store.Message{Accepted: store.Accepted{GID: gid}, NewMessage: store.NewMessage{Body: make([]byte, size)}}}
	}
	var c circulation
	first := c.add(message(1, 10))
	if c.find(1) != first || c.add(message(1, 10)) != first {
		t.Error("two devices do not share a message")
	}
	for gid := int64(2); gid <= maxCirculating+1; gid++ {
		c.add(message(gid, 10))
	}
	if c.find(1) != nil || c.find(2) == nil {
		t.Error("it is not the first message that made room")
	}
	c.add(message(5000, maxCirculatingBytes-20))
	if len(c.items) != 3 || len(c.order) != 3 || c.bytes != maxCirculatingBytes {
		t.Errorf("%d messages of %d bytes circulate after a large one", len(c.items), c.bytes)
	}
	if c.add(message(5001, maxCirculatingBytes+1)); len(c.items) != 0 || c.bytes != 0 {
		t.Errorf("%d messages of %d bytes circulate after one that is too large", len(c.items), c.bytes)
	}
}
