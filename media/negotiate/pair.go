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
		if pair[i] < 0 && j < len(taken) && !taken[j] && s.kind(i) == other.kind(j) && (!live || s.alive(i) && other.alive(j)) {
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

// count is how many m-lines the leg has.
func (s *State) count() int {
	n := len(s.ours)
	if s.remote != nil {
		n = max(n, len(s.remote.Lines))
	}
	return n
}

// kind is what a line is now: as the peer told last, else as we did.
func (s *State) kind(i int) string {
	if s.remote != nil && i < len(s.remote.Lines) {
		return s.remote.Lines[i].Kind
	}
	if i < len(s.ours) {
		return s.ours[i].Kind
	}
	return ""
}

// alive tells whether the peer's last description has the line in use.
func (s *State) alive(i int) bool {
	return s.remote != nil && i < len(s.remote.Lines) && s.remote.Lines[i].live()
}
