//go:build linux

package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// climbed runs a goal with a relay that takes cost(calls) microseconds a packet.
func climbed(g goal, start float64, cost func(calls int) (micros float64, lost uint64)) (runs []int, err error) {
	s := &stairs{name: "RTP-RTP", perPacket: start, run: func(calls int) (relayResult, error) {
		runs = append(runs, calls)
		micros, lost := cost(calls)
		n := uint64(calls * packetsPerCall)
		return relayResult{
			cpu: time.Duration(micros * float64(n) * 1e3), elapsed: time.Second,
			relayed: n - lost, sent: n, received: n - lost, p99: time.Duration(calls) * 10 * time.Microsecond,
		}, nil
	}}
	return runs, s.climb(g)
}

func TestClimb(t *testing.T) {
	load := goal{"load", 0.75, 0.8, 0.9, 0}
	for _, c := range []struct {
		name string
		goal goal
		cost func(calls int) (float64, uint64)
		runs []int
		want string // in the error, "": none
	}{
		{"a packet costs less the more there are", load, func(calls int) (float64, uint64) { return 6 + 4000/float64(calls), 0 },
			[]int{500, 571, 615}, ""},
		{"too much at first", load, func(int) (float64, uint64) { return 20, 0 }, []int{500, 400}, ""},
		{"a loss on the way", load, func(calls int) (float64, uint64) { return 10, uint64(calls / 500) }, []int{500, 800}, "1 packets lost"},
		{"it cannot do more", load, func(calls int) (float64, uint64) { return 5, uint64(2 * calls) }, []int{500}, "not reached"},
		{"not enough calls", load, func(int) (float64, uint64) { return 2, 0 }, []int{500, 2000}, "not reached"},
		{"too much in between", load, func(calls int) (float64, uint64) {
			if calls == 500 {
				return 8, 0
			}
			return 20, 0
		}, []int{500, 1000, 400}, ""},
		{"long delay", goal{"half load", 0.35, 0.4, 0.45, maxDelay}, func(int) (float64, uint64) { return 16, 0 }, []int{250}, "p99 2.5ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			runs, err := climbed(c.goal, 16, c.cost)
			if !slices.Equal(runs, c.runs) {
				t.Errorf("runs with %v calls, want %v", runs, c.runs)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	failure := errors.New("no relay")
	s := &stairs{perPacket: 16, run: func(int) (relayResult, error) { return relayResult{}, failure }}
	if err := s.climb(load); !errors.Is(err, failure) {
		t.Errorf("error %v, want %v", err, failure)
	}
}
