package transaction

// size counts the transactions that wait for a flow.
func (x *flowIndex) size() (n int) {
	for i := range x.shard {
		s := &x.shard[i]
		s.mu.Lock()
		n += len(s.head)
		s.mu.Unlock()
	}
	return n
}

// size counts the entries.
func (t *table[T]) size() (n int) {
	for i := range t.shard {
		s := &t.shard[i]
		s.mu.Lock()
		n += len(s.m)
		s.mu.Unlock()
	}
	return n
}

// size is the number of alarms set.
func (w *wheel) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.armed
}

// over tells whether the transaction has terminated.
func (tx *Server) over() bool {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.state == terminated
}
