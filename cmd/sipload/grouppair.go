//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/crowd"
)

// How the comparison with messages of one to one is made.
const (
	pairCount   = 20000 // messages of each kind
	pairWarm    = 2000  // before they are measured
	pairAtOnce  = 50    // under way
	pairPosts   = 4 * (pairCount + pairWarm)
	pairSize    = 60
	idleGroup   = 9 // number in the name of the group in which nobody is there
	mostFanOut  = 1.5
	mostAccept  = 2.0
	pairTimeout = time.Minute
)

// comparePairs measures messages of the clerk: to people who are there, to those
// who are not, and to a group of such. What is written to many takes more places
// in the archive than what is written to one or to a group, so a delivery is what
// people who are there cost more than as many who are away.
func (g *groupLoad) comparePairs(ctx context.Context, w io.Writer, inGroup time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 4*pairTimeout)
	defer cancel()
	away := g.groups * g.members
	if err := g.server.makeGroup(ctx, groupName(idleGroup), away, g.members-1, g.clerk()); err != nil {
		return err
	}
	clerk, err := g.crowd.Add(ctx, crowd.Setup{User: userName(g.clerk()), Password: "pw-" + userName(g.clerk()), Transport: "tls", Number: g.clerk(), Data: &inbox{}})
	if err != nil {
		return err
	}
	if err := g.quiet(ctx); err != nil {
		return err
	}
	var costs [4]time.Duration
	for i, phase := range []struct {
		what   string
		phones int
		to     func(i int) string
	}{
		{"to everybody in turn", 1, func(i int) string { return userName(i % len(g.phones)) }},
		{"to many who are away", 0, func(i int) string { return userName(away + i%(g.members-1)) }},
		{"to one who is away", 0, func(int) string { return userName(away) }},
		{"to a group where nobody is", 0, func(int) string { return groupName(idleGroup) }},
	} {
		if costs[i], err = g.cost(ctx, clerk, phase.phones, phase.to); err != nil {
			return fmt.Errorf("%s: %w", phase.what, err)
		}
	}
	there, many, one, group := costs[0], costs[1], costs[2], costs[3]
	fanOut, accept := float64(inGroup)/float64(there-many), float64(group)/float64(one)
	fmt.Fprintf(w, "delivering, CPU µs: one to one %.1f (of %.1f, %.1f is for accepting), in a group %.1f: ratio %.2f (at most %.1f)\n",
		micro(there-many), micro(there), micro(many), micro(inGroup), fanOut, mostFanOut)
	fmt.Fprintf(w, "accepting, CPU µs: for one who is away %.1f, for a group of %d who are %.1f: ratio %.2f (at most %.1f)\n",
		micro(one), g.members, micro(group), accept, mostAccept)
	return errors.Join(within(fanOut <= mostFanOut, "delivery in a group"), within(accept <= mostAccept, "accepting in a group"))
}

// cost is the server's CPU time for a message of the clerk to one address after
// the other, each of which reaches so many phones.
func (g *groupLoad) cost(ctx context.Context, clerk *crowd.Phone, phones int, to func(i int) string) (time.Duration, error) {
	if err := g.converse(ctx, clerk, pairWarm, phones, to); err != nil {
		return 0, err
	}
	before := processCPU(g.server.pid())
	err := g.converse(ctx, clerk, pairCount, phones, to)
	return (processCPU(g.server.pid()) - before) / pairCount, err
}

// converse sends so many messages, some at once.
func (g *groupLoad) converse(ctx context.Context, clerk *crowd.Phone, count, phones int, to func(i int) string) error {
	var next atomic.Int64
	var once sync.Once
	var first error
	var wg sync.WaitGroup
	for range pairAtOnce {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				if err := g.converseOnce(ctx, clerk, phones, to(i)); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(count))
				}
			}
		})
	}
	wg.Wait()
	return first
}

func (g *groupLoad) converseOnce(ctx context.Context, clerk *crowd.Phone, phones int, to string) error {
	number := g.ledger.open(0, clerk.Number, phones)
	p := &g.ledger.posts[number]
	p.done = make(chan struct{})
	if _, err := send(ctx, clerk, newPost(clerk, "sip:"+to+"@bench.example", number, pairSize)); err != nil {
		return err
	}
	if phones == 0 {
		return nil
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("message %d was answered and never arrived", number)
	}
}
