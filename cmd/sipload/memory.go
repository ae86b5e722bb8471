//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// memoryCommand measures what connections, bindings and strangers cost.
func memoryCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("memory", flag.ContinueOnError)
	bin := f.String("sparkle", "bin/sparkle", "the program to measure")
	settle := f.Duration("settle", 40*time.Second, "how long the server may tidy up before it is measured (Timer J is 32 s)")
	calls := f.Bool("calls", false, "only calls")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *calls {
		return heldCalls(ctx, *bin, *settle)
	}
	return errors.Join(
		idleConnections(ctx, *bin, *settle),
		manyBindings(ctx, *bin, *settle),
		manySources(ctx, *bin, *settle),
		heldCalls(ctx, *bin, *settle))
}

// usage is the memory of the server at its lowest while it settles: its own
// heap and stacks, and what the system counts (PSS).
type usage struct{ heap, pss int64 }

func (u usage) minus(v usage, n int) (heap, pss float64) {
	return float64(u.heap-v.heap) / float64(n), float64(u.pss-v.pss) / float64(n)
}

func settled(ctx context.Context, pid int, settle time.Duration) (usage, error) {
	low := usage{1 << 62, 1 << 62}
	for deadline := time.Now().Add(settle); ; {
		heap, err := goMemory()
		if err != nil {
			return low, err
		}
		pss, err := processMemory(pid)
		if err != nil {
			return low, err
		}
		low = usage{min(low.heap, heap), min(low.pss, pss)}
		if time.Now().After(deadline) {
			return low, nil
		}
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return low, ctx.Err()
		}
	}
}

// goMemory is heap and stack in use as the server's metrics tell it.
func goMemory() (int64, error) {
	m, err := metrics("go_memstats_heap_inuse_bytes", "go_memstats_stack_inuse_bytes")
	if err != nil {
		return 0, err
	}
	return int64(m[0] + m[1]), nil
}

// metrics reads some of the server's metrics; a name has its labels with it.
func metrics(names ...string) ([]float64, error) {
	res, err := http.Get("http://" + metricsAddr + "/metrics")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	values, found := make([]float64, len(names)), 0
	for s := bufio.NewScanner(io.LimitReader(res.Body, 1<<22)); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), " ")
		i := slices.Index(names, name)
		if i < 0 {
			continue
		}
		if values[i], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("metric %s: %w", name, err)
		}
		found++
	}
	if found != len(names) {
		return nil, fmt.Errorf("the server does not tell all of %s", strings.Join(names, ", "))
	}
	return values, nil
}

// idleConnections registers 10,000 users over TLS and holds the connections.
func idleConnections(ctx context.Context, bin string, settle time.Duration) error {
	const n = 10000
	s, err := startSparkle(bin, n)
	if err != nil {
		return err
	}
	defer s.stop()
	before, err := settled(ctx, s.pid, 4*time.Second)
	if err != nil {
		return err
	}
	l := &Load{Label: s.name, Server: s.addr["tls"], Transport: "tls", Domain: "bench.example", Operation: "register",
		Users: n, Total: n, Concurrency: 20, Timeout: 20 * time.Second}
	defer l.close()
	if err := l.connect(ctx); err != nil {
		return err
	}
	var r Result
	r.Load = l
	l.drive(ctx, n, &r)
	after, err := settled(ctx, s.pid, settle)
	if err != nil {
		return err
	}
	heap, pss := after.minus(before, n)
	fmt.Printf("%d idle registered TLS connections: %.1f kB heap and stack each (at most 25), %.1f kB PSS each (at most 35); %d failed\n", n, heap/1024, pss/1024, r.Failed)
	return within(r.Failed == 0 && heap <= 25<<10 && pss <= 35<<10, "idle TLS connections")
}

// manyBindings registers 100,000 users over UDP.
func manyBindings(ctx context.Context, bin string, settle time.Duration) error {
	const n, step = 100000, 1000
	s, err := startSparkle(bin, n)
	if err != nil {
		return err
	}
	defer s.stop()
	before, err := settled(ctx, s.pid, 4*time.Second)
	if err != nil {
		return err
	}
	failed := 0
	for first := 0; first < n; first += step {
		l := &Load{Label: s.name, Server: s.addr["udp"], Transport: "udp", Domain: "bench.example", Operation: "register",
			Users: step, First: first, Total: step, Concurrency: 20, Timeout: 20 * time.Second}
		r, err := l.Run(ctx)
		if err != nil {
			return err
		}
		failed += r.Failed
	}
	after, err := settled(ctx, s.pid, settle)
	if err != nil {
		return err
	}
	heap, pss := after.minus(before, n)
	fmt.Printf("%d bindings: %.2f kB heap and stack each (at most 1.5), %.2f kB PSS each; %d failed\n", n, heap/1024, pss/1024, failed)
	return within(failed == 0 && heap <= 1.5*1024, "bindings")
}

// manySources sends 200,000 requests from 10,000 UDP sources that nobody knows.
func manySources(ctx context.Context, bin string, settle time.Duration) error {
	const sources, total = 10000, 200000
	s, err := startSparkle(bin, 2)
	if err != nil {
		return err
	}
	defer s.stop()
	run := func(total int) error {
		l := &Load{Label: s.name, Server: s.addr["udp"], Transport: "udp", Domain: "bench.example", Operation: "options",
			Users: sources, Total: total, Concurrency: 20, Timeout: 20 * time.Second}
		r, err := l.Run(ctx)
		if err == nil && r.Failed > 0 {
			err = fmt.Errorf("%d requests failed: %w", r.Failed, r.FirstError)
		}
		return err
	}
	if err := run(20000); err != nil { // warm: what a first burst leaves is no leak
		return err
	}
	before, err := settled(ctx, s.pid, settle)
	if err != nil {
		return err
	}
	if err := run(total); err != nil {
		return err
	}
	after, err := settled(ctx, s.pid, settle)
	if err != nil {
		return err
	}
	grown := float64(after.heap-before.heap) / (1 << 20)
	fmt.Printf("%d requests from %d UDP sources: heap and stack grew by %.1f MiB (at most 4)\n", total, sources, grown)
	return within(grown <= 4, "UDP sources")
}

func within(ok bool, what string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%s: over the limit", what)
}
