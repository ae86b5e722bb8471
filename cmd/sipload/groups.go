//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/crowd"
)

// groupLoad is a run of the groups command.
type groupLoad struct {
	bin                   string
	port                  int
	groups, members       int
	writers               int // in each group
	rate                  float64
	length, limit, settle time.Duration
	seed                  uint64
	kill, pair            bool
	profile               string

	random *rand.Rand
	server *sparkle
	crowd  *crowd.Crowd
	ledger *ledger
	phones []*crowd.Phone // by the number of their user
	killed time.Duration  // how long the server was away
}

// groupsCommand lets two groups talk, and checks at every phone what it got.
func groupsCommand(ctx context.Context, args []string) error {
	g := &groupLoad{groups: 2}
	f := flag.NewFlagSet("groups", flag.ContinueOnError)
	f.StringVar(&g.bin, "sparkle", "bin/sparkle", "the program to measure")
	f.IntVar(&g.members, "members", 500, "of each of the two groups; each has a phone")
	f.IntVar(&g.writers, "writers", 10, "members of each group that write")
	f.Float64Var(&g.rate, "rate", 50, "messages a second in both groups together")
	f.DurationVar(&g.length, "time", time.Minute, "how long they write")
	f.DurationVar(&g.limit, "limit", time.Minute, "how long the last messages may take then")
	f.DurationVar(&g.settle, "settle", time.Second, "how long nothing may come before they begin")
	f.Uint64Var(&g.seed, "seed", 1, "of who writes what when")
	f.BoolVar(&g.kill, "kill", false, "kill the server in the middle and start it again")
	f.BoolVar(&g.pair, "pair", false, "measure messages of one to one, too, and those that nobody is there for")
	f.IntVar(&g.port, "port", sparklePort, "the server's; it takes the two behind it, too")
	f.StringVar(&g.profile, "profile", "", "write a CPU profile of the server to this file")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := g.check(); err != nil {
		return err
	}
	return g.run(ctx)
}

func (g *groupLoad) check() error {
	switch {
	case g.members < 2 || g.members > 5000:
		return fmt.Errorf("members %d: from 2 to 5000", g.members)
	case g.writers < 1 || g.writers > g.members:
		return fmt.Errorf("writers %d: from 1 to all members", g.writers)
	case g.rate <= 0 || g.length <= 0:
		return errors.New("rate and time must be positive")
	case g.kill && g.pair:
		return errors.New("choose kill or pair: what is killed cannot be measured")
	}
	return nil
}

func (g *groupLoad) run(ctx context.Context) (err error) {
	g.random = rand.New(rand.NewPCG(g.seed, 0))
	if err := g.setUp(ctx); err != nil {
		g.tearDown()
		return err
	}
	defer g.tearDown()
	talk, err := g.talk(ctx)
	if err != nil {
		return err
	}
	result, err := g.verify(ctx)
	if err != nil {
		return err
	}
	g.report(os.Stdout, talk, result)
	err = result.err()
	if g.pair {
		err = errors.Join(err, g.comparePairs(ctx, os.Stdout, talk.perDelivery()))
	}
	return err
}

// users is how many there are: the members of the groups, as many who have no
// phone, and the clerk, who writes to them.
func (g *groupLoad) users() int { return g.groups*g.members + g.members + 1 }

func (g *groupLoad) clerk() int { return g.users() - 1 }

func userName(n int) string { return fmt.Sprintf("u%06d", n) }

func groupName(i int) string { return fmt.Sprintf("load%d", i) }

// setUp starts the server with users, groups and registered phones.
func (g *groupLoad) setUp(ctx context.Context) (err error) {
	if g.server, err = newSparkle(g.bin, g.port); err != nil {
		return err
	}
	if err := g.server.start(); err != nil {
		return err
	}
	if err := g.server.importUsers(g.users()); err != nil {
		return err
	}
	g.ledger = newLedger(int(g.rate*g.length.Seconds()) + pairPosts)
	g.crowd = crowd.New(crowd.Config{Server: g.server.addr(), Domain: "bench.example", OnMessage: g.ledger.arrived})
	if err := g.connect(ctx); err != nil {
		return err
	}
	for i := range g.groups {
		if err := g.server.makeGroup(ctx, groupName(i), i*g.members, g.members); err != nil {
			return err
		}
	}
	return g.quiet(ctx)
}

// connect registers a phone of each member.
func (g *groupLoad) connect(ctx context.Context) error {
	g.phones = make([]*crowd.Phone, g.groups*g.members)
	return forEach(len(g.phones), 16, func(n int) error {
		c, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		kind := kinds[n%len(kinds)]
		var err error
		g.phones[n], err = g.crowd.Add(c, crowd.Setup{
			User: userName(n), Password: "pw-" + userName(n), Transport: kind.transport, Room: kind.room,
			Number: n, Data: &inbox{group: n / g.members},
		})
		return err
	})
}

// kinds of phones, one after the other: six of ten text phones over UDP, two
// over connections, and two that know rooms.
var kinds = [10]struct {
	transport string
	room      bool
}{{"udp", false}, {"tls", true}, {"udp", false}, {"tcp", false}, {"udp", false}, {"udp", false}, {"tls", true}, {"udp", false}, {"tls", false}, {"udp", false}}

// rooms is how many phones know rooms.
func (g *groupLoad) rooms() (n int64) {
	for _, p := range g.phones {
		if p.Room {
			n++
		}
	}
	return n
}

// quiet waits until every room device has been invited and nothing comes any
// more.
func (g *groupLoad) quiet(ctx context.Context) error {
	activity := func() int64 {
		return g.crowd.Joined() + g.crowd.Notified() + g.ledger.other.Load()
	}
	for deadline, last, since := time.Now().Add(g.limit), int64(-1), time.Now(); ; {
		if now := activity(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) >= g.settle && (g.crowd.Joined() >= g.rooms() || time.Now().After(deadline)) {
			return nil
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func (g *groupLoad) tearDown() {
	if g.crowd != nil {
		g.crowd.Close()
	}
	if g.server != nil {
		g.server.stop()
	}
}

// talked is what a run of messages took.
type talked struct {
	posts, resent        int
	elapsed, drained     time.Duration // until the last answer, and from then on until the last delivery
	delivered            int64
	server, own, machine time.Duration // of CPU
	last                 []time.Duration
	backlog, left        int64 // at most, and in the end
}

func (t *talked) perDelivery() time.Duration {
	return t.server / time.Duration(max(t.delivered, 1))
}

// talk lets the writers write at their rate, whatever becomes of it, and waits
// for the last delivery.
func (g *groupLoad) talk(ctx context.Context) (*talked, error) {
	t := &talked{}
	before := g.ledger.delivered.Load()
	server, own, machine := processCPU(g.server.pid()), ownCPU(), machineCPU()
	start := time.Now()
	stop := g.watch(&t.backlog)
	defer stop()
	if !g.kill {
		g.saveProfile(ctx)
	}
	crash := g.killAt(ctx, start.Add(g.length/2))
	err := g.write(ctx, start, t)
	t.elapsed = time.Since(start)
	if err := errors.Join(err, <-crash); err != nil {
		return nil, err
	}
	for time.Since(start) < t.elapsed+g.limit && g.ledger.backlog() > 0 {
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
	t.drained, t.left = time.Since(start)-t.elapsed, g.ledger.backlog()
	t.delivered = g.ledger.delivered.Load() - before
	t.server, t.own, t.machine = processCPU(g.server.pid())-server, ownCPU()-own, machineCPU()-machine
	t.last = g.ledger.lastDelays()
	return t, nil
}

// killAt kills the server at a moment and starts it again, when that is wanted.
func (g *groupLoad) killAt(ctx context.Context, at time.Time) <-chan error {
	done := make(chan error, 1)
	if !g.kill {
		done <- nil
		return done
	}
	go func() {
		time.Sleep(time.Until(at))
		g.server.kill()
		began := time.Now()
		err := g.server.start()
		g.killed = time.Since(began)
		g.saveProfile(ctx)
		done <- err
	}()
	return done
}

// saveProfile begins to profile the server, when that is wanted.
func (g *groupLoad) saveProfile(ctx context.Context) {
	if g.profile != "" {
		go g.server.saveProfile(ctx, g.profile, min(g.length/2, 20*time.Second))
	}
}

// watch notes the largest backlog until the returned function is called.
func (g *groupLoad) watch(largest *int64) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-tick.C:
				*largest = max(*largest, g.ledger.backlog())
			case <-quit:
				tick.Stop()
				return
			}
		}
	}()
	return func() { close(quit); <-ended }
}

func (g *groupLoad) report(w io.Writer, t *talked, r *verdict) {
	count := map[string]int{}
	for _, p := range g.phones {
		name := p.Transport
		if p.Room {
			name = "room"
		}
		count[name]++
	}
	fmt.Fprintf(w, "%d groups of %d members: %d text phones over UDP, %d over TCP, %d over TLS, %d room devices over TLS (%d in their rooms, %d NOTIFYs)\n",
		g.groups, g.members, count["udp"], count["tcp"], count["tls"], count["room"], g.crowd.Joined()-g.crowd.Left(), g.crowd.Notified())
	fmt.Fprintf(w, "%d messages in %.1f s (%.1f/s), all answered 2xx, %d sent again\n", t.posts, t.elapsed.Seconds(), float64(t.posts)/t.elapsed.Seconds(), t.resent)
	if g.kill {
		fmt.Fprintf(w, "server killed in the middle and back after %.1f s; %d connections made again\n", g.killed.Seconds(), g.crowd.Lost())
	}
	whole := t.elapsed + t.drained
	fmt.Fprintf(w, "%d deliveries, %.0f/s: %s\n", t.delivered, float64(t.delivered)/whole.Seconds(), r)
	if !g.kill {
		fmt.Fprintf(w, "CPU µs/delivery: server %.1f (%.2f of a core), generator %.1f (%.2f); all of the machine %.2f\n",
			micro(t.perDelivery()), t.server.Seconds()/whole.Seconds(), micro(t.own)/float64(max(t.delivered, 1)), t.own.Seconds()/whole.Seconds(), t.machine.Seconds()/whole.Seconds())
	}
	if n := len(t.last); n > 0 {
		fmt.Fprintf(w, "ms from a message to its last device: p50 %.1f, p90 %.1f, p99 %.1f, at most %.1f\n", ms(t.last[n/2]), ms(t.last[n*9/10]), ms(t.last[n*99/100]), ms(t.last[n-1]))
	}
	fmt.Fprintf(w, "backlog at most %d deliveries; %d left %.2f s after the last answer\n", t.backlog, t.left, t.drained.Seconds())
}
