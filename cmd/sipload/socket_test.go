//go:build linux

package main

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func open(t *testing.T) *socket {
	s, err := openSocket()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func (s *socket) address() *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: s.port}
}

// A packet that is fetched late came when it came. The system begins to note that
// a moment after it was asked to.
func TestReceiveTimed(t *testing.T) {
	from, to := open(t), open(t)
	b := make([]byte, 16)
	for deadline := time.Now().Add(10 * time.Second); ; {
		before := time.Now().UnixNano()
		if err := unix.Sendto(from.fd, []byte("hello"), 0, to.address()); err != nil {
			t.Fatal(err)
		}
		after := time.Now().UnixNano()
		n, at, ok := to.receiveTimed(b)
		if !ok || string(b[:n]) != "hello" {
			t.Fatalf("received %q %t", b[:n], ok)
		}
		if before <= at && at <= after {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("came at %d, not between %d and %d", at, before, after)
		}
	}
	if _, ok := to.receive(b); ok {
		t.Error("received what nobody sent")
	}
}

// What does not fit into a socket of either side is counted there.
func TestLosses(t *testing.T) {
	relay, generator := open(t), open(t)
	for _, s := range []*socket{relay, generator} {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
			t.Fatal(err)
		}
	}
	before, err := readDrops()
	if err != nil {
		t.Fatal(err)
	}
	send := func(from, to *socket, packets int) (lost uint64) {
		for range packets {
			if err := unix.Sendto(from.fd, make([]byte, 172), 0, to.address()); err != nil {
				t.Fatal(err)
			}
		}
		lost = uint64(packets)
		for b := make([]byte, 200); ; lost-- {
			if _, ok := to.receive(b); !ok {
				return lost
			}
		}
	}
	want := losses{relay: send(generator, relay, 100), generator: send(relay, generator, 200)}
	got, err := lossesSince(before, []*party{{socket: generator, to: relay.address()}})
	got.loopback = 0 // others use it, too
	if err != nil || got != want || want.relay == 0 || want.generator <= want.relay {
		t.Errorf("lost %+v, want %+v; %v", got, want, err)
	}
}
