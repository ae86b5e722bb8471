package chat

// latest is a map that keeps the newest of its keys.
type latest[K comparable, V any] struct {
	values map[K]V
	ring   []K
	at     int // of the oldest key in a full ring
}

// put adds a key, for which the oldest of more than limit keys is forgotten, or
// changes the value of one that is known.
func (l *latest[K, V]) put(k K, v V, limit int) {
	if l.values == nil {
		l.values = make(map[K]V)
	}
	_, known := l.values[k]
	l.values[k] = v
	switch {
	case known:
	case len(l.ring) < limit:
		l.ring = append(l.ring, k)
	default:
		delete(l.values, l.ring[l.at])
		l.ring[l.at] = k
		l.at = (l.at + 1) % limit
	}
}
