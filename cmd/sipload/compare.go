//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"
)

// comparison is one row of the table: an operation over a transport, and the
// share of Kamailio's CPU time that Sparkle may take at most.
type comparison struct {
	operation, transport string
	total                int
	archive              bool // Kamailio stores each MESSAGE with msilo
	limit                float64
}

var comparisons = []comparison{
	{"register", "udp", 60000, false, 1.0},
	{"register", "tls", 40000, false, 0.8},
	// Ours goes through the relay, Kamailio's does not. Each call takes two pairs of
	// ports, which rest for at least two seconds: more calls than these would be
	// refused at the rate of this loop.
	{"call", "udp", 6500, false, 1.5},
	{"call", "tls", 6500, false, 1.5},
	{"message", "udp", 25000, false, 1.3},
	{"message", "tls", 15000, false, 0.6},
	{"message", "udp", 15000, true, 0.5},
	{"message", "tls", 5000, true, 0.5},
}

// compareCommand runs every comparison some rounds, the two servers in turn and
// each fresh and warmed up, and prints medians: absolute figures drift with the
// machine, the ratio in the same minutes stays.
func compareCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	bin := f.String("sparkle", "bin/sparkle", "the program to measure")
	rounds := f.Int("rounds", 3, "how often each pair is run; the median counts")
	only := f.String("op", "", "only this operation")
	concurrency := f.Int("c", 20, "operations under way at once")
	verbose := f.Bool("v", false, "print every run")
	if err := f.Parse(args); err != nil {
		return err
	}
	fmt.Println("operation  transport  kamailio        CPU µs/op  sparkle CPU µs/op   ratio   at most   failed")
	var over []error
	for _, c := range comparisons {
		if *only != "" && *only != c.operation {
			continue
		}
		if err := c.run(ctx, *bin, *rounds, *concurrency, *verbose); err != nil {
			over = append(over, err)
		}
	}
	if *only == "" {
		over = append(over, saturate(ctx, *bin))
	}
	return errors.Join(over...)
}

// saturate runs each operation with 200 under way at once, more than twice of
// what keeps a core busy: nothing may fail, however long it takes.
func saturate(ctx context.Context, bin string) error {
	fmt.Println("\nwith 200 operations under way at once:\n" + resultHeader)
	var failed []error
	for _, c := range comparisons {
		if c.archive {
			continue
		}
		s, err := startSparkle(bin, 800)
		if err != nil {
			return err
		}
		l := c.load(s, 200)
		l.Users = 800
		r, err := l.Run(ctx)
		s.stop()
		if err != nil {
			return err
		}
		fmt.Println(r)
		if r.Failed > 0 {
			failed = append(failed, fmt.Errorf("%s over %s: %d of %d failed with 200 at once: %w", c.operation, c.transport, r.Failed, c.total, r.FirstError))
		}
	}
	return errors.Join(failed...)
}

func (c comparison) run(ctx context.Context, bin string, rounds, concurrency int, verbose bool) error {
	var theirs, ours []time.Duration
	failed := 0
	var first error
	for range rounds {
		for _, start := range []func() (*subject, error){
			func() (*subject, error) { return startKamailio(c.archive) },
			func() (*subject, error) { return startSparkle(bin, 200) },
		} {
			r, err := c.once(ctx, start, concurrency)
			for again := 0; err != nil && again < 3; again++ { // Kamailio now and then drops a connection of the set-up
				r, err = c.once(ctx, start, concurrency)
			}
			if err != nil {
				return fmt.Errorf("%s over %s: %w", c.operation, c.transport, err)
			}
			if verbose {
				fmt.Println(r)
			}
			if r.Load.Label == "kamailio" {
				theirs = append(theirs, r.CPUPerOp)
				continue
			}
			ours = append(ours, r.CPUPerOp)
			failed, first = failed+r.Failed, cmp.Or(first, r.FirstError)
		}
	}
	them, us := median(theirs), median(ours)
	ratio := float64(us) / float64(them)
	kind := "relay"
	if c.archive {
		kind = "msilo, SQLite"
	}
	fmt.Printf("%-10s %-10s %-14s %10.1f %18.1f %7.2f %9.1f %8d\n", c.operation, c.transport, kind, micro(them), micro(us), ratio, c.limit, failed)
	if ratio > c.limit || failed > 0 {
		err := fmt.Errorf("%s over %s: ratio %.2f (at most %.1f), %d failed", c.operation, c.transport, ratio, c.limit, failed)
		return errors.Join(err, first)
	}
	return nil
}

func (c comparison) once(ctx context.Context, start func() (*subject, error), concurrency int) (*Result, error) {
	s, err := start()
	if err != nil {
		return nil, err
	}
	defer s.stop()
	return c.load(s, concurrency).Run(ctx)
}

func (c comparison) load(s *subject, concurrency int) *Load {
	return &Load{Label: s.name, Server: s.addr[c.transport], Transport: c.transport, Domain: "bench.example", Operation: c.operation,
		Users: 200, Warm: c.total / 10, Total: c.total, Concurrency: concurrency, Size: 80, Timeout: 10 * time.Second, PID: s.pid}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
