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
		p := Pair{A: i, B: j, AB: routes(x.Receiving, y.Sending), BA: routes(y.Receiving, x.Sending)}
		p.Untouched = x.Opaque || x.Keying == Plain && y.Keying == Plain && alike(p.AB) && alike(p.BA)
		pairs = append(pairs, p)
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

// alike tells whether what one peer may send has the same number at the other.
func alike(list []Route) bool {
	return !slices.ContainsFunc(list, func(r Route) bool { return r.From.Number != r.To.Number || r.From.Rate != r.To.Rate })
}
