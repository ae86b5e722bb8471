package rtp

import "hash/maphash"

// windowSize is how many numbers back a packet may come late or again: a second
// of video.
const windowSize = 512

// window remembers which sequence numbers were sent, so that none is sent twice
// with other content: two packets under one key and number tell whoever sees
// both what is in them, and with GCM how to forge more (RFC 3711 §9.1).
type window struct {
	highest uint64 // sent so far, counted beyond 16 bits
	seen    [windowSize / 64]uint64
	digests *[windowSize]uint64 // of what was sent; nil: nothing is sent again
	seed    maphash.Seed
}

// keep remembers what is sent from now on, so that it may be sent again.
func (w *window) keep() {
	if w.digests == nil {
		w.digests, w.seed = new([windowSize]uint64), maphash.MakeSeed()
	}
}

// admit marks index as sent with the content b. It says no to an index that was
// sent before, unless b is what was sent.
func (w *window) admit(index uint64, b []byte) bool {
	if index > w.highest {
		w.advance(index)
	}
	slot := index % windowSize
	word, bit := &w.seen[slot/64], uint64(1)<<(slot%64)
	repeated := *word&bit != 0
	*word |= bit
	if w.digests == nil {
		return !repeated
	}
	digest := maphash.Bytes(w.seed, b)
	if repeated {
		return w.digests[slot] == digest
	}
	w.digests[slot] = digest
	return true
}

// restart forgets everything and makes index the highest.
func (w *window) restart(index uint64) {
	w.seen = [windowSize / 64]uint64{}
	w.highest = index
}

// advance makes index the highest; the numbers between were not sent.
func (w *window) advance(index uint64) {
	if index-w.highest >= windowSize {
		w.seen = [windowSize / 64]uint64{}
	} else {
		for i := w.highest + 1; i <= index; i++ {
			slot := i % windowSize
			w.seen[slot/64] &^= 1 << (slot % 64)
		}
	}
	w.highest = index
}
