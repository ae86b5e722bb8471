package e2e

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// span is a range of ports of which each is given away once in a run, and again
// only after all others: what somebody was given and has not bound yet looks free.
type span struct {
	first, last int

	mu   sync.Mutex
	next int // 0 before the first
}

// Below the ports that the system gives by itself lie those that a server takes for
// media (16384 to 32767), where none that is given away may be in its way.
var (
	programPorts = &span{first: 10000, last: 16383}
	officeMedia  = &span{first: 2000, last: 9999} // ranges for servers of which a test sprays every port
)

// take gives n ports in a row, the first of them even.
func (s *span) take(n int) (first int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == 0 { // another run of the tests begins elsewhere
		s.next = s.first + 2*rand.N((s.last-s.first)/2)
	}
	if s.next+n > s.last+1 {
		s.next = s.first
	}
	first = s.next
	s.next += n + n%2
	return first
}

// freePort finds a port that is free for UDP and TCP, and the next one too.
func freePort(t *testing.T) int { return freePorts(t, 2) }

// freePorts finds n ports in a row that are free for UDP and TCP.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for range 100 {
		if port := programPorts.take(n); isFree(port, n) {
			return port
		}
	}
	t.Fatal("no free ports")
	return 0
}

func isFree(port, n int) bool {
	for p := port; p < port+n; p++ {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(p))
		u, err := net.ListenPacket("udp", addr)
		if err != nil {
			return false
		}
		u.Close()
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// mediaPorts gives an office n ports for media that no other test has, and one more.
func mediaPorts(settings map[string]string, n int) (first, last int) {
	first = officeMedia.take(n + 2)
	settings["first_port"], settings["last_port"] = strconv.Itoa(first), strconv.Itoa(first+n)
	return first, first + n
}

func TestPortsAreGivenOnce(t *testing.T) {
	s := &span{first: 1000, last: 1999}
	given := map[int]int{}
	for taken := 0; taken < 960; { // nearly all, but for the rest before it begins anew
		n := 1 + taken%4
		first := s.take(n)
		if first < s.first || first+n-1 > s.last || first%2 != 0 {
			t.Fatalf("%d to %d of %d to %d", first, first+n-1, s.first, s.last)
		}
		for port := first; port < first+n; port++ {
			if given[port]++; given[port] > 1 {
				t.Fatalf("%d was given twice", port)
			}
		}
		taken += n + n%2
	}
}
