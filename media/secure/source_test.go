package secure

import (
	"math/rand/v2"
	"testing"
)

// TestEstimate has the cases of RFC 3711 appendix A, and those at the beginning,
// where no ROC is below.
func TestEstimate(t *testing.T) {
	for _, c := range []struct {
		highest uint64
		seq     uint16
		want    uint64
	}{
		{0, 0, 0},
		{0, 65535, 65535}, // the first packet, whatever its number
		{5, 65530, 65530}, // nothing is below 0
		{65535, 0, 1 << 16},
		{65535, 32766, 1<<16 + 32766},
		{65535, 65000, 65000},
		{1 << 16, 65535, 65535}, // late, from before the wrap
		{1<<16 + 10, 40000, 40000},
		{1<<16 + 10, 20000, 1<<16 + 20000},
		{7<<16 + 40000, 100, 8<<16 + 100},
		{7<<16 + 40000, 10000, 7<<16 + 10000},
	} {
		s := source{highest: c.highest}
		if got := s.estimate(c.seq); got != c.want {
			t.Errorf("%d after %#x: %#x, want %#x", c.seq, c.highest, got, c.want)
		}
	}
}

// TestWindow compares the bits with a set that forgets nothing.
func TestWindow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s source
		received := map[uint64]bool{}
		at := uint64(random.IntN(1000))
		for range 2000 {
			switch random.IntN(10) {
			case 0:
				at += uint64(random.IntN(300)) // a burst was lost
			case 1:
				at += uint64(random.IntN(1 << 20)) // an index of SRTCP may jump
			default:
				at++
			}
			index := at - min(at, uint64(random.IntN(2*window)))
			want := received[index] || s.highest >= index && s.highest-index >= window
			if got := s.replayed(index); got != want {
				t.Fatalf("%d with the highest at %d: replayed %v, want %v", index, s.highest, got, want)
			}
			if !want {
				s.receive(index)
				received[index] = true
				if !s.replayed(index) {
					t.Fatalf("%d was received and is not known", index)
				}
			}
		}
	}
}
