package negotiate

// pairing gives, for each of n lines of s, the line of the other leg that is its
// other side, -1 for none. Lines that were paired stay so, whatever becomes of
// them; others are matched by kind.
func (s *State) pairing(other *State, n int) []int {
	pair := make([]int, n)
	for i := range pair {
		pair[i] = -1
	}
	switch {
	case s.partner == other.id:
		copy(pair, s.pair)
	case other.partner == s.id:
		for j, i := range other.pair {
			if i >= 0 && i < n {
				pair[i] = j
			}
		}
	}
	taken := make([]bool, other.count())
	for i, j := range pair {
		if j >= len(taken) {
			pair[i] = -1
		} else if j >= 0 {
			taken[j] = true
		}
	}
	match := func(i, j int, live bool) {
		if i >= s.count() || j >= len(taken) || pair[i] >= 0 || taken[j] {
			return
		}
		x, y := &s.remote.Lines[i], &other.remote.Lines[j]
		if x.Kind == y.Kind && (!live || x.live() && y.live()) {
			pair[i], taken[j] = j, true
		}
	}
	for _, live := range []bool{true, false} { // the dead take what the living leave
		for i := range pair {
			match(i, i, live)
		}
		for i := range pair {
			for j := range taken {
				match(i, j, live)
			}
		}
	}
	return pair
}

// count is how many m-lines the peer's last description has.
func (s *State) count() int {
	if s.remote == nil {
		return 0
	}
	return len(s.remote.Lines)
}

// alive tells whether the peer's last description has the line in use.
func (s *State) alive(i int) bool { return i < s.count() && s.remote.Lines[i].live() }
