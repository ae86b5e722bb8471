package chat

import "sync"

// circulation keeps the latest messages of groups while devices get them. When
// many read the same ones from the archive, after a restart or a moment without a
// processor, they share what was made for the first of them.
type circulation struct {
	mu    sync.Mutex
	items map[int64]*item // by GID
	order []*item         // as they came
	bytes int             // of their bodies
}

// Bounds of the circulation: beyond them the first ones go.
const (
	maxCirculating      = 1024
	maxCirculatingBytes = 4 << 20
)

// find returns a message that circulates, nil when it does not.
func (c *circulation) find(gid int64) *item {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.items[gid]
}

// add lets a message circulate and returns the one that everybody shares: another
// device may have read it at the same time.
func (c *circulation) add(it *item) *item {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.items[it.msg.GID]; other != nil {
		return other
	}
	if c.items == nil {
		c.items = make(map[int64]*item)
	}
	c.items[it.msg.GID] = it
	c.order = append(c.order, it)
	c.bytes += len(it.msg.Body)
	for len(c.order) > maxCirculating || c.bytes > maxCirculatingBytes {
		first := c.order[0]
		delete(c.items, first.msg.GID)
		c.bytes -= len(first.msg.Body)
		c.order[0] = nil
		c.order = c.order[1:]
	}
	return it
}
