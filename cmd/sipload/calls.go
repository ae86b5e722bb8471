//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// heldCalls measures what a call in progress costs in memory, and that nothing
// stays of 10,000 calls that are over.
func heldCalls(ctx context.Context, bin string, settle time.Duration) error {
	const held, made = 1000, 10000
	// A call takes two of 8,192 pairs of ports, which rest for two seconds at least.
	const batch, rest = 2000, 2500 * time.Millisecond
	s, err := startSparkleRelay(bin, held)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.connect(held); err != nil {
		return err
	}
	if err := wait(ctx, settle); err != nil { // what setting up left behind
		return err
	}
	before, err := settled(ctx, s.pid(), 4*time.Second)
	if err != nil {
		return err
	}
	start, err := handles()
	if err != nil {
		return err
	}
	parties, err := relayed{caller: suite80, callee: suite32}.join(ctx, s, held)
	defer closeParties(parties)
	if err != nil {
		return err
	}
	t := startTraffic(parties)
	during, err := settled(ctx, s.pid(), settle)
	t.end()
	if err != nil {
		return err
	}
	heap, pss := during.minus(before, held)
	fmt.Printf("%d two-way calls with SRTP on both sides: %.1f kB heap and stack each (at most 60), %.1f kB PSS each\n", held, heap/1024, pss/1024)
	if err := s.hangUp(ctx); err != nil {
		return err
	}

	l := &Load{Label: "sparkle", Server: s.subject.addr["tls"], Transport: "tls", Domain: "bench.example", Operation: "call",
		Users: spare, First: 2 * held, Total: made, Concurrency: 20, Timeout: 20 * time.Second}
	defer l.close()
	if err := l.connect(ctx); err != nil {
		return err
	}
	var r Result
	r.Load = l
	for range made / batch {
		l.drive(ctx, batch, &r)
		if err := wait(ctx, rest); err != nil {
			return err
		}
	}
	l.close()
	if err := wait(ctx, settle); err != nil {
		return err
	}
	end, err := handles()
	if err != nil {
		return err
	}
	fmt.Printf("before and %d calls later: goroutines %.0f and %.0f, descriptors %.0f and %.0f, media ports %.0f and %.0f; %d failed\n",
		held+made, start[0], end[0], start[1], end[1], start[2], end[2], r.Failed)
	const slack = 10 // the database opens readers when they are first needed, two or three files each
	if r.FirstError != nil {
		fmt.Println("the first one that failed:", r.FirstError)
	}
	return within(r.Failed == 0 && heap <= 60<<10 && end[0] <= start[0]+slack && end[1] <= start[1]+slack && end[2] == start[2], "calls")
}

// handles are the goroutines, descriptors and media ports of the server.
func handles() ([]float64, error) {
	return metrics("go_goroutines", "process_open_fds", `sparkle_media_ports{state="used"}`)
}
