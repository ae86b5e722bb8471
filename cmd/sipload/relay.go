package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/sparkleim/sparkle/cmd/sipload/agent"
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
	rounds := f.Int("rounds", 3, "how often each pair is run; the median counts")
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
	for range rounds {
		for _, start := range []func() (relay, error){
			func() (relay, error) { return startRTPEngine() },
			func() (relay, error) { return startSparkleRelay(bin, calls) },
		} {
			r, err := k.once(ctx, start, calls, length)
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			if verbose {
				fmt.Println(k.name, r)
			}
			if r.sparkle {
				ours = append(ours, r)
			} else {
				theirs = append(theirs, r)
			}
		}
	}
	them, us := medianResult(theirs), medianResult(ours)
	ratio := us.perPacket() / them.perPacket()
	fmt.Printf("%-11s %24.2f %22.2f %7.2f %8.1f %5d %14.2f %7.2f\n", k.name, them.perPacket(), us.perPacket(), ratio, k.limit, us.lost(), ms(us.p50), ms(us.p99))
	err := k.loaded(ctx, bin, us, length)
	if ratio > k.limit || us.p99 > maxDelay || us.lost() > 0 {
		err = errors.Join(err, fmt.Errorf("%s: ratio %.2f (at most %.1f), p99 %v (at most %v), %d lost", k.name, ratio, k.limit, us.p99, maxDelay, us.lost()))
	}
	return err
}

// maxDelay is what the relay, the system and the generator together may add in
// 99 of 100 packets.
const maxDelay = 2 * time.Millisecond

// loaded runs as many calls as should take 0.4 and 0.8 of a core, by what one
// packet took, and wants no packet lost and, at half load, no long delay.
func (k relayed) loaded(ctx context.Context, bin string, measured relayResult, length time.Duration) error {
	for _, core := range []float64{0.4, 0.8} {
		calls := int(core * 1e6 / measured.perPacket() / 100)
		r, err := k.once(ctx, func() (relay, error) { return startSparkleRelay(bin, calls) }, calls, length)
		if err != nil {
			return err
		}
		fmt.Printf("            %4d calls: %.2f of a core, %.2f µs/packet, %d of %d packets lost, delay p50 %.2f ms, p99 %.2f ms\n",
			calls, r.cpu.Seconds()/r.elapsed.Seconds(), r.perPacket(), r.lost(), r.sent, ms(r.p50), ms(r.p99))
		if r.lost() > 0 || core < 0.5 && r.p99 > maxDelay {
			return fmt.Errorf("%s with %d calls: %d lost, p99 %v", k.name, calls, r.lost(), r.p99)
		}
	}
	return nil
}

// relayResult is what a run showed.
type relayResult struct {
	sparkle        bool
	cpu, elapsed   time.Duration
	relayed        uint64 // packets while the CPU was measured
	sent, received uint64 // from the first to the last
	p50, p99       time.Duration
}

func (r relayResult) perPacket() float64 { return micro(r.cpu) / float64(max(r.relayed, 1)) }
func (r relayResult) lost() int64        { return int64(r.sent) - int64(r.received) }

func (r relayResult) String() string {
	return fmt.Sprintf("sparkle=%t %.2f µs/packet, %d sent, %d lost, p50 %v p99 %v", r.sparkle, r.perPacket(), r.sent, r.lost(), r.p50, r.p99)
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
	parties, err := k.join(e, calls)
	if err != nil {
		return relayResult{}, err
	}
	t := startTraffic(parties)
	if err := wait(ctx, 3*time.Second); err != nil {
		return relayResult{}, err
	}
	t.forget()
	_, ours := e.(*sparkleRelay)
	r := relayResult{sparkle: ours}
	cpu, began := processCPU(e.pid()), time.Now()
	_, before := t.counts()
	if err := wait(ctx, length); err != nil {
		return r, err
	}
	r.cpu, r.elapsed = processCPU(e.pid())-cpu, time.Since(began)
	_, after := t.counts()
	r.relayed = after - before
	delays := t.delays()
	t.end()
	r.sent, r.received = t.counts()
	if n := len(delays); n > 0 {
		r.p50, r.p99 = delays[n/2], delays[n*99/100]
	}
	if r.received == 0 {
		return r, errors.New("no packet came through")
	}
	return r, nil
}

// join sets calls up and returns their parties.
func (k relayed) join(e relay, calls int) ([]*party, error) {
	var parties []*party
	for range calls {
		a, err := newParty(k.caller)
		if err != nil {
			return nil, err
		}
		b, err := newParty(k.callee)
		if err != nil {
			return nil, err
		}
		if err := e.join(a, b); err != nil {
			return nil, err
		}
		parties = append(parties, a, b)
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

// sparkleRelay is the whole program: the calls are set up over SIP and TLS.
type sparkleRelay struct {
	subject *subject
	agents  []*agent.Agent
	dialogs []*agent.Dialog
}

// spare is how many users have no part in the calls of a sparkleRelay: those
// behind the first 2*calls.
const spare = 200

func startSparkleRelay(bin string, calls int) (relay, error) {
	s, err := startSparkle(bin, 2*calls+spare)
	if err != nil {
		return nil, err
	}
	r := &sparkleRelay{subject: s}
	for i := range 2 * calls {
		user := fmt.Sprintf("u%06d", i)
		a, err := agent.Dial(agent.Config{Server: s.addr["tls"], Transport: "tls", Domain: "bench.example", User: user, Password: "pw-" + user})
		if err != nil {
			r.stop()
			return nil, err
		}
		r.agents = append(r.agents, a)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err = a.Register(ctx, 3600)
		cancel()
		if err != nil {
			r.stop()
			return nil, err
		}
	}
	return r, nil
}

func (r *sparkleRelay) pid() int { return r.subject.pid }

func (r *sparkleRelay) stop() {
	for _, a := range r.agents {
		a.Close()
	}
	r.subject.stop()
}

// join makes a call between the next two users.
func (r *sparkleRelay) join(a, b *party) error {
	next := 2 * len(r.dialogs)
	caller, callee := r.agents[next], r.agents[next+1]
	callee.OnRequest = func(m *agent.Message) (status, body string) {
		if m.Method() != "INVITE" {
			return "200 OK", ""
		}
		tag, err := b.take(string(m.Body))
		if err != nil {
			return "488 Not Acceptable Here", ""
		}
		return "200 OK", b.describe(tag)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	d, err := caller.Call(ctx, callee.User, a.describe("1"))
	if err != nil {
		return err
	}
	r.dialogs = append(r.dialogs, d)
	_, err = a.take(string(d.Answer))
	return err
}

// hangUp ends all calls.
func (r *sparkleRelay) hangUp(ctx context.Context) error {
	for _, d := range r.dialogs {
		if err := d.Bye(ctx); err != nil {
			return err
		}
	}
	r.dialogs = nil
	return nil
}
