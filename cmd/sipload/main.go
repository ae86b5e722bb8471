//go:build linux

// Command sipload measures SIP servers.
//
// It runs one operation again and again with a fixed number under way at once
// (a closed loop) and prints a row: operations per second, latency, and the CPU
// microseconds per operation and memory of the server's own processes, which
// stay comparable on a noisy machine.
//
//	sipload -server 127.0.0.1:5061 -transport tls -op message -users 200 -n 6000 -c 20 -pid PID
//	sipload compare -sparkle bin/sparkle     beside Kamailio, ratios
//	sipload relay -sparkle bin/sparkle       media beside rtpengine
//	sipload groups -sparkle bin/sparkle      order and cost of messages to many
//	sipload memory -sparkle bin/sparkle      connections, bindings, strangers
//
// Users are u000000, u000001, …; the password of user U is "pw-U".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // and stop the servers
	defer stop()
	var err error
	switch args := os.Args[1:]; {
	case len(args) > 0 && args[0] == "compare":
		err = compareCommand(ctx, args[1:])
	case len(args) > 0 && args[0] == "relay":
		err = relayCommand(ctx, args[1:])
	case len(args) > 0 && args[0] == "groups":
		err = groupsCommand(ctx, args[1:])
	case len(args) > 0 && args[0] == "memory":
		err = memoryCommand(ctx, args[1:])
	default:
		err = loadCommand(ctx, args)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sipload:", err)
		os.Exit(1)
	}
}

func loadCommand(ctx context.Context, args []string) error {
	var l Load
	f := flag.NewFlagSet("sipload", flag.ContinueOnError)
	f.StringVar(&l.Label, "label", "server", "first column of the result")
	f.StringVar(&l.Server, "server", "127.0.0.1:5060", "address of the server; loopback only")
	f.StringVar(&l.Transport, "transport", "udp", "udp, tcp or tls")
	f.StringVar(&l.Domain, "domain", "bench.example", "SIP domain")
	f.StringVar(&l.Operation, "op", "register", "register, message, call or options")
	f.IntVar(&l.Users, "users", 200, "how many users; message and call use them in pairs")
	f.IntVar(&l.First, "first", 0, "number of the first user")
	f.IntVar(&l.Total, "n", 10000, "operations to run")
	f.IntVar(&l.Warm, "warm", 0, "operations to run before those that are measured")
	f.IntVar(&l.Concurrency, "c", 20, "operations under way at once")
	f.IntVar(&l.Size, "size", 80, "bytes of text in a MESSAGE")
	f.DurationVar(&l.Hold, "hold", 0, "keep the registrations this long after the run, then look at memory")
	f.DurationVar(&l.Timeout, "timeout", 10*time.Second, "time for one operation")
	f.IntVar(&l.PID, "pid", 0, "the server's process; its children are counted too")
	if err := f.Parse(args); err != nil {
		return err
	}
	r, err := l.Run(ctx)
	if err != nil {
		return err
	}
	fmt.Println(resultHeader)
	fmt.Println(r)
	if r.Failed > 0 {
		return fmt.Errorf("%d operations failed, the first one: %w", r.Failed, r.FirstError)
	}
	return nil
}
