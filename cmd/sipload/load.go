//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
)

// Load is one closed-loop run.
type Load struct {
	Label, Server, Transport, Domain, Operation string
	Users, First, Total, Concurrency, Size      int
	Warm                                        int // operations before the measured ones
	Hold, Timeout                               time.Duration
	PID                                         int

	agents []*agent.Agent
	texts  sync.Map // text of a MESSAGE under way → chan struct{}
}

// Result is what a run showed.
type Result struct {
	Load        *Load
	Done        int
	Failed      int
	FirstError  error
	Elapsed     time.Duration
	P50, P99    time.Duration
	CPUPerOp    time.Duration // of the server; 0 without a process id
	PSS, Before int64         // bytes of the server at the end and before the first connection
}

const resultHeader = "server     op        transport    ops/s    failed   p50 ms   p99 ms   CPU µs/op   PSS MiB  PSS kB/user"

func (r *Result) String() string {
	return fmt.Sprintf("%-10s %-9s %-9s %8.0f %9d %8.2f %8.2f %11.1f %9.1f %12.1f",
		r.Load.Label, r.Load.Operation, r.Load.Transport, float64(r.Done)/r.Elapsed.Seconds(), r.Failed,
		ms(r.P50), ms(r.P99), float64(r.CPUPerOp)/float64(time.Microsecond),
		float64(r.PSS)/(1<<20), float64(r.PSS-r.Before)/1024/float64(r.Load.Users))
}

// Run connects and registers the users, runs the operations and measures. Only
// the operations are measured, except that register counts its own.
func (l *Load) Run(ctx context.Context) (*Result, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	r := &Result{Load: l}
	var err error
	if l.PID > 0 {
		if r.Before, err = processMemory(l.PID); err != nil {
			return nil, err
		}
	}
	defer l.close()
	if err := l.connect(ctx); err != nil {
		return nil, err
	}
	if l.Warm > 0 {
		l.drive(ctx, l.Warm, &Result{})
	}
	cpu := processCPU(l.PID)
	l.drive(ctx, l.Total, r)
	r.CPUPerOp = (processCPU(l.PID) - cpu) / time.Duration(max(r.Done, 1))
	if l.Hold > 0 {
		select {
		case <-time.After(l.Hold):
		case <-ctx.Done():
		}
	}
	if l.PID > 0 {
		if r.PSS, err = processMemory(l.PID); err != nil {
			return nil, err
		}
	}
	return r, ctx.Err()
}

func (l *Load) check() error {
	host, _, err := net.SplitHostPort(l.Server)
	if err != nil {
		return fmt.Errorf("server %q: give host:port", l.Server)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("server %q: sipload puts load on a loopback address only", l.Server)
	}
	if l.Users < 2 || l.Concurrency < 1 || l.Total < 1 {
		return fmt.Errorf("users (2 and more), c and n (1 and more) must be positive")
	}
	return nil
}

// connect dials all agents, and registers them unless registering is the operation.
func (l *Load) connect(ctx context.Context) error {
	l.agents = make([]*agent.Agent, l.Users)
	return forEach(l.Users, 16, func(i int) error {
		user := fmt.Sprintf("u%06d", l.First+i)
		a, err := agent.Dial(agent.Config{Server: l.Server, Transport: l.Transport, Domain: l.Domain, User: user, Password: "pw-" + user})
		if err != nil {
			return err
		}
		a.OnRequest = l.answer
		l.agents[i] = a
		if l.Operation != "message" && l.Operation != "call" {
			return nil
		}
		c, cancel := context.WithTimeout(ctx, l.Timeout)
		defer cancel()
		_, err = a.Register(c, 3600)
		return err
	})
}

func (l *Load) close() {
	for _, a := range l.agents {
		if a != nil {
			a.Close()
		}
	}
}

func (l *Load) answer(m *agent.Message) (status, body string) {
	switch m.Method() {
	case "MESSAGE":
		if ch, ok := l.texts.LoadAndDelete(string(m.Body)); ok {
			close(ch.(chan struct{}))
		}
	case "INVITE":
		if !strings.Contains(string(m.Body), " RTP/AVP ") {
			return "488 Not Acceptable Here", "" // it does not encrypt; a relay asks again without
		}
		return "200 OK", agent.SDP
	}
	return "200 OK", ""
}

// drive runs so many operations; agent i is used by one operation at a time.
func (l *Load) drive(ctx context.Context, total int, r *Result) {
	step := 1
	if l.Operation == "message" || l.Operation == "call" {
		step = 2
	}
	free := make(chan int, l.Users)
	for i := 0; i+step <= l.Users; i += step {
		free <- i
	}
	var mu sync.Mutex
	latencies := make([]time.Duration, 0, total)
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range min(l.Concurrency, len(free)) {
		wg.Go(func() {
			for next.Add(1) <= int64(total) && ctx.Err() == nil {
				i := <-free
				began := time.Now()
				err := l.once(ctx, i)
				took := time.Since(began)
				free <- i
				mu.Lock()
				if err != nil {
					r.Failed++
					if r.FirstError == nil {
						r.FirstError = err
					}
				} else {
					latencies = append(latencies, took)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	r.Elapsed, r.Done = time.Since(start), len(latencies)
	slices.Sort(latencies)
	if n := len(latencies); n > 0 {
		r.P50, r.P99 = latencies[n/2], latencies[n*99/100]
	}
}

func (l *Load) once(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	a := l.agents[i]
	switch l.Operation {
	case "register":
		_, err := a.Register(ctx, 3600)
		return err
	case "options":
		_, err := a.Options(ctx)
		return err
	case "message":
		return l.message(ctx, a, l.agents[i+1])
	case "call":
		d, err := a.Call(ctx, l.agents[i+1].User, agent.SDP)
		if err != nil {
			return err
		}
		return d.Bye(ctx)
	}
	return fmt.Errorf("operation %q: use register, message, call or options", l.Operation)
}

// message is done when the sender has his answer and the receiver the text.
func (l *Load) message(ctx context.Context, from, to *agent.Agent) error {
	text := agent.NewID() + " "
	text += strings.Repeat("x", max(0, l.Size-len(text)))
	arrived := make(chan struct{})
	l.texts.Store(text, arrived)
	defer l.texts.Delete(text)
	res, err := from.Message(ctx, to.User, text)
	if err != nil {
		return err
	}
	select {
	case <-arrived:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("MESSAGE by %s: answered %q but never arrived", from.User, res.Start)
	}
}

// forEach calls f for 0 … n-1, some at once, and returns the first error.
func forEach(n, atOnce int, f func(int) error) error {
	var next atomic.Int64
	var once sync.Once
	var first error
	var wg sync.WaitGroup
	for range min(atOnce, n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(n))
				}
			}
		})
	}
	wg.Wait()
	return first
}
