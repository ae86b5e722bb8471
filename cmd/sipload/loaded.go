//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// goal is how busy the relay is to be: its share of a processor.
type goal struct {
	name           string
	low, aim, high float64
	maxDelay       time.Duration // in 99 of 100 packets, 0: any
}

var goals = []goal{
	{"half load", 0.35, 0.4, 0.45, maxDelay},
	{"load", 0.75, 0.8, 0.9, 0},
}

const (
	mostCalls = 2000 // that the descriptors of both processes allow
	mostSteps = 8    // to a goal
)

// loaded makes the relay as busy as the goals say, by as many calls as that takes,
// and wants no packet lost on the way there and, at half load, no long delay.
func (k relayed) loaded(ctx context.Context, bin string, perPacket float64, length time.Duration) error {
	e, err := startSparkleRelay(bin, mostCalls)
	if err != nil {
		return err
	}
	defer e.stop()
	var parties []*party
	defer func() { closeParties(parties) }()
	s := &stairs{name: k.name, perPacket: perPacket, run: func(calls int) (relayResult, error) {
		more, err := k.join(ctx, e, max(0, calls-len(parties)/2))
		parties = append(parties, more...)
		if err != nil {
			return relayResult{}, err
		}
		return measure(ctx, e, parties[:2*calls], length) // others are silent
	}}
	var failed error
	for _, g := range goals {
		failed = errors.Join(failed, s.climb(g))
	}
	return failed
}

// stairs are runs with more and more calls.
type stairs struct {
	name      string
	perPacket float64 // microseconds, in the last run
	run       func(calls int) (relayResult, error)
}

// climb changes the number of calls until the relay is as busy as g wants.
func (s *stairs) climb(g goal) error {
	var failed error
	for range mostSteps {
		calls := min(mostCalls, int(math.Round(g.aim*1e6/s.perPacket/packetsPerCall)))
		r, err := s.run(calls)
		if err != nil {
			return err
		}
		fmt.Printf("            %4d calls: %v\n", calls, r)
		if r.lost() != 0 && r.core() <= g.high {
			failed = errors.Join(failed, fmt.Errorf("%s with %d calls: %d packets lost%v", s.name, calls, r.lost(), r.lostAt))
		}
		if g.low <= r.core() && r.core() <= g.high {
			fmt.Printf("            %s, %.2f to %.2f of a core, reached with %d calls\n", g.name, g.low, g.high, calls)
			if g.maxDelay > 0 && r.p99 > g.maxDelay {
				failed = errors.Join(failed, fmt.Errorf("%s, %s with %d calls: p99 %v (at most %v)", s.name, g.name, calls, r.p99, g.maxDelay))
			}
			return failed
		}
		if r.lost() > int64(r.sent/100) || calls == mostCalls && r.core() < g.low {
			break // it does not get busier, or what a packet costs tells nothing
		}
		s.perPacket = r.perPacket()
	}
	fmt.Printf("            %s, %.2f to %.2f of a core, NOT REACHED\n", g.name, g.low, g.high)
	return errors.Join(failed, fmt.Errorf("%s: %s was not reached", s.name, g.name))
}
