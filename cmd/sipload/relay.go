//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"
)

// relay carries the media between parties.
type relay interface {
	join(a, b *party) error
	pid() int
	stop()
}

// relayed is a kind of call that is compared.
type relayed struct {
	name           string
	caller, callee string  // suites
	limit          float64 // share of rtpengine's CPU time a packet that Sparkle may take
}

var relayedKinds = []relayed{
	{"RTP-RTP", "", "", 1.0},
	{"SDES-RTP", suite80, "", 1.0},
	{"SDES-SDES", suite80, suite32, 1.0},
}

// relayCommand measures the media relay beside rtpengine: the same calls, the
// same packets, in turn.
func relayCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("relay", flag.ContinueOnError)
	bin := f.String("sparkle", "bin/sparkle", "the program to measure")
	calls := f.Int("calls", 200, "two-way calls; each makes 100 packets a second")
	rounds := f.Int("rounds", 3, "how often each pair is run; the median counts, but every loss")
	seconds := f.Int("seconds", 8, "length of a run")
	only := f.String("kind", "", "only RTP-RTP, SDES-RTP or SDES-SDES")
	verbose := f.Bool("v", false, "print every run")
	if err := f.Parse(args); err != nil {
		return err
	}
	fmt.Println("media       rtpengine CPU µs/packet  sparkle CPU µs/packet   ratio  at most  lost   delay p50 ms  p99 ms")
	var over []error
	for _, k := range relayedKinds {
		if *only != "" && *only != k.name {
			continue
		}
		over = append(over, k.compare(ctx, *bin, *calls, *rounds, time.Duration(*seconds)*time.Second, *verbose))
	}
	return errors.Join(over...)
}

func (k relayed) compare(ctx context.Context, bin string, calls, rounds int, length time.Duration, verbose bool) error {
	var theirs, ours []relayResult
	run := func(results *[]relayResult, name string, start func() (relay, error)) error {
		r, err := k.once(ctx, start, calls, length)
		if err != nil {
			return fmt.Errorf("%s through %s: %w", k.name, name, err)
		}
		if verbose {
			fmt.Printf("%s through %s: %v\n", k.name, name, r)
		}
		*results = append(*results, r)
		return nil
	}
	for range rounds {
		if err := run(&theirs, "rtpengine", func() (relay, error) { return startRTPEngine() }); err != nil {
			return err
		}
		if err := run(&ours, "sparkle", func() (relay, error) { return startSparkleRelay(bin, calls) }); err != nil {
			return err
		}
	}
	them, us := medianResult(theirs), medianResult(ours)
	ratio := us.perPacket() / them.perPacket()
	var lost int64
	for _, r := range ours {
		lost += r.lost()
	}
	fmt.Printf("%-11s %24.2f %22.2f %7.2f %8.1f %5d %14.2f %7.2f\n", k.name, them.perPacket(), us.perPacket(), ratio, k.limit, lost, ms(us.p50), ms(us.p99))
	err := k.loaded(ctx, bin, us.perPacket(), length)
	if ratio > k.limit || us.p99 > maxDelay || lost != 0 {
		err = errors.Join(fmt.Errorf("%s: ratio %.2f (at most %.1f), p99 %v (at most %v), %d lost", k.name, ratio, k.limit, us.p99, maxDelay, lost), err)
	}
	return err
}

// maxDelay is what relay and system together may add in 99 of 100 packets.
const maxDelay = 2 * time.Millisecond

// relayResult is what a run showed.
type relayResult struct {
	cpu, elapsed   time.Duration
	generator      time.Duration // of CPU that it took itself
	machine        time.Duration // of CPU that everybody took
	relayed        uint64        // packets while the CPU was measured
	sent, received uint64        // from the first to the last
	lostAt         losses
	p50, p99       time.Duration // of the delay
	late           time.Duration // 99 of 100 times the generator was no later than this to send
}

func (r relayResult) perPacket() float64 { return micro(r.cpu) / float64(max(r.relayed, 1)) }
func (r relayResult) lost() int64        { return int64(r.sent) - int64(r.received) }

// core is the share of a processor that the relay took.
func (r relayResult) core() float64 { return r.share(r.cpu) }

func (r relayResult) share(d time.Duration) float64 { return d.Seconds() / r.elapsed.Seconds() }

func (r relayResult) String() string {
	return fmt.Sprintf("%.2f of a core, %.2f µs/packet, %d of %d packets lost%v, delay p50 %.2f ms, p99 %.2f ms (generator %.2f of a core, late p99 %.2f ms; others %.2f)",
		r.core(), r.perPacket(), r.lost(), r.sent, r.lostAt, ms(r.p50), ms(r.p99), r.share(r.generator), ms(r.late), r.share(r.machine-r.generator-r.cpu))
}

func medianResult(rs []relayResult) relayResult {
	slices.SortFunc(rs, func(a, b relayResult) int { return int(1000 * (a.perPacket() - b.perPacket())) })
	return rs[len(rs)/2]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// once sets the calls up, lets them talk for a while unmeasured, then measures.
func (k relayed) once(ctx context.Context, start func() (relay, error), calls int, length time.Duration) (relayResult, error) {
	e, err := start()
	if err != nil {
		return relayResult{}, err
	}
	defer e.stop()
	parties, err := k.join(ctx, e, calls)
	defer closeParties(parties)
	if err != nil {
		return relayResult{}, err
	}
	return measure(ctx, e, parties, length)
}

// settling is how long parties talk before they are measured.
const settling = 3 * time.Second

// measure lets parties talk.
func measure(ctx context.Context, e relay, parties []*party, length time.Duration) (r relayResult, err error) {
	dropped, err := readDrops()
	if err != nil {
		return r, err
	}
	t := startTraffic(parties)
	err = r.observe(ctx, t, e.pid(), length)
	t.end()
	r.sent, r.received = t.sent.Load(), t.received.Load()
	if err != nil {
		return r, err
	}
	r.lostAt, err = lossesSince(dropped, parties)
	return r, err
}

// observe measures traffic under way, when it has settled.
func (r *relayResult) observe(ctx context.Context, t *traffic, pid int, length time.Duration) error {
	if err := wait(ctx, settling); err != nil {
		return err
	}
	t.noted()
	began, before := time.Now(), t.received.Load()
	machine, self, cpu := machineCPU(), ownCPU(), processCPU(pid)
	if err := wait(ctx, length); err != nil {
		return err
	}
	r.machine, r.generator, r.cpu = machineCPU()-machine, ownCPU()-self, processCPU(pid)-cpu
	r.relayed, r.elapsed = t.received.Load()-before, time.Since(began)
	delays, late := t.noted()
	if len(delays) == 0 || len(late) == 0 {
		return fmt.Errorf("nothing was heard for %v", length)
	}
	r.p50, r.p99, r.late = delays[len(delays)/2], delays[len(delays)*99/100], late[len(late)*99/100]
	return nil
}

// join sets calls up and returns their parties, also those of calls that failed.
func (k relayed) join(ctx context.Context, e relay, calls int) ([]*party, error) {
	var parties []*party
	for range calls {
		if ctx.Err() != nil {
			return parties, ctx.Err()
		}
		a, err := newParty(k.caller)
		if err != nil {
			return parties, err
		}
		parties = append(parties, a)
		b, err := newParty(k.callee)
		if err != nil {
			return parties, err
		}
		parties = append(parties, b)
		if err := e.join(a, b); err != nil {
			return parties, err
		}
	}
	return parties, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
