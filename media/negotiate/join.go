package negotiate

import "slices"

// Join gives the streams of two legs that belong together. Both need a plan.
func Join(a, b *State) []Pair {
	var pairs []Pair
	for i, j := range a.pairing(b, len(a.plan.Streams)) {
		if j < 0 || j >= len(b.plan.Streams) {
			continue
		}
		x, y := &a.plan.Streams[i], &b.plan.Streams[j]
		if !x.Active || !y.Active || x.Opaque != y.Opaque {
			continue
		}
		pairs = append(pairs, Pair{
			A: i, B: j, AB: routes(x.Receiving, y.Sending), BA: routes(y.Receiving, x.Sending), Untouched: untouched(x, y),
		})
	}
	return pairs
}

// routes finds for everything that one peer may send its number at the other.
func routes(receiving, sending []Codec) []Route {
	list := make([]Route, 0, len(receiving))
	for _, c := range receiving {
		if i := match(c, sending); i >= 0 {
			list = append(list, Route{c, sending[i]})
		} else if i := slices.IndexFunc(sending, Codec.Event); c.Event() && i >= 0 {
			list = append(list, Route{c, sending[i]})
		}
	}
	return list
}

// untouched tells whether the packets of x and y are alike in all: plain, by
// the same numbers both ways.
func untouched(x, y *Stream) bool {
	if x.Opaque {
		return true
	}
	return x.Keying == Plain && y.Keying == Plain && alike(x.Receiving, y.Sending) && alike(y.Receiving, x.Sending)
}

// alike tells whether what one peer may send has the same number at the other.
func alike(receiving, sending []Codec) bool {
	for _, r := range routes(receiving, sending) {
		if r.From.Number != r.To.Number || r.From.Rate != r.To.Rate {
			return false
		}
	}
	return true
}
