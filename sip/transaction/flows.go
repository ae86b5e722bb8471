package transaction

import "sync"

// flowIndex finds the client transactions of a connection when it ends. Flows
// over UDP never do, so theirs are not kept.
type flowIndex struct {
	shard [shards]struct {
		mu   sync.Mutex
		head map[uint64]*Client
	}
}

func newFlowIndex() *flowIndex {
	x := new(flowIndex)
	for i := range x.shard {
		x.shard[i].head = make(map[uint64]*Client)
	}
	return x
}

func (x *flowIndex) add(tx *Client) {
	s := &x.shard[tx.flow.ID%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.head[tx.flow.ID]; first != nil {
		tx.after, first.before = first, tx
	}
	s.head[tx.flow.ID] = tx
	tx.indexed = true
}

func (x *flowIndex) remove(tx *Client) {
	s := &x.shard[tx.flow.ID%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !tx.indexed {
		return
	}
	switch {
	case tx.before != nil:
		tx.before.after = tx.after
	case tx.after != nil:
		s.head[tx.flow.ID] = tx.after
	default:
		delete(s.head, tx.flow.ID)
	}
	if tx.after != nil {
		tx.after.before = tx.before
	}
	tx.before, tx.after, tx.indexed = nil, nil, false
}

// take removes and returns all of a flow, the oldest first.
func (x *flowIndex) take(id uint64) []*Client {
	s := &x.shard[id%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Client
	for tx := s.head[id]; tx != nil; {
		next := tx.after
		tx.before, tx.after, tx.indexed = nil, nil, false
		all = append(all, tx)
		tx = next
	}
	delete(s.head, id)
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}
