package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sparkleim/sparkle/configs"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/transport"
)

// Times of the end: finishing what was accepted, and then what is queued for
// peers and writers. Together they stay below the 35 s that a supervisor is
// told to wait.
const (
	finishTime   = 27 * time.Second
	deliveryTime = 3 * time.Second           // of finishTime
	callTime     = finishTime - deliveryTime // how long calls go on
	flushTime    = 5 * time.Second
	longStep     = 3 * time.Second // a step of the end that is worth a line in the log
)

// listener is an open address.
type listener struct {
	transport string
	addr      netip.AddrPort
}

// runUntilSignal runs until SIGTERM or SIGINT. ready is called once everything
// listens; nil for nothing.
func (s *Server) runUntilSignal(ctx context.Context, ready func(ctx context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	go s.reloadOn(ctx, hangup)
	return s.run(ctx, ready)
}

// run listens, serves until ctx ends, and drains.
func (s *Server) run(ctx context.Context, ready func(ctx context.Context) error) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { governGC(background) })
	running.Go(func() { s.registrar.Run(background) })
	err := s.open(ctx)
	if err == nil {
		running.Go(func() { s.border.Run(background) })
	}
	if err == nil && ready != nil {
		err = ready(ctx)
	}
	if err == nil {
		s.log.Info("ready", "version", programVersion(), "domain", s.domain())
		<-ctx.Done()
	}
	if errors.Is(err, context.Canceled) {
		err = nil // told to stop before it was ready
	}
	stop()
	running.Wait()
	return errors.Join(err, s.drain())
}

// open restores the location table and opens every door.
func (s *Server) open(ctx context.Context) error {
	if err := s.registrar.Restore(ctx); err != nil {
		return fmt.Errorf("read bindings: %w", err)
	}
	if err := s.focus.Restore(ctx); err != nil {
		return fmt.Errorf("read the rooms of groups: %w", err)
	}
	if err := s.events.Restore(ctx, s.store.AllSubscriptions); err != nil {
		return fmt.Errorf("read subscriptions: %w", err)
	}
	if err := s.groups.Follow(ctx); err != nil {
		return fmt.Errorf("bring fixed groups in line with the units: %w", err)
	}
	if err := s.pictures.Restore(); err != nil {
		s.log.Warn("pictures that nobody uses were not removed", "err", err)
	}
	if err := s.calls.Restore(ctx); err != nil {
		return fmt.Errorf("close the records of calls: %w", err)
	}
	for _, l := range s.cfg.Listeners() {
		if err := s.listen(l); err != nil {
			return s.cfg.ListenProblem(l.Key, l.Address, err)
		}
	}
	if err := s.doors.openLocal(s); err != nil {
		return s.cfg.Problem("data_dir", err.Error())
	}
	s.stack.Serve(s.transactions)
	s.doors.serve(s.part("http"))
	return s.wakeRestored(ctx)
}

// wakeRestored delivers what waits for phones over UDP, whose bindings live
// through a restart; all others register again.
func (s *Server) wakeRestored(ctx context.Context) error {
	bindings, err := s.store.AllBindings(ctx)
	if err != nil {
		return fmt.Errorf("read bindings: %w", err)
	}
	for _, b := range bindings {
		if strings.HasPrefix(b.Received, "udp ") {
			s.chat.Wake(b.User)
		}
	}
	return nil
}

func (s *Server) listen(l configs.Listener) error {
	switch l.Key {
	case "listen.https":
		addr, err := s.doors.openHTTPS(s, l.Address)
		s.note("HTTPS", addr)
		return err
	case "listen.metrics":
		addr, err := s.doors.openMetrics(s, l.Address)
		s.note("metrics", addr)
		return err
	}
	kind := l.Key[len("listen."):]
	opened, err := s.stack.Listen(transport.Spec{Transport: kind, Address: l.Address, Public: s.cfg.ServerName()})
	if err != nil {
		return err
	}
	s.note(kind, opened.Addr())
	return nil
}

func (s *Server) note(transport string, addr netip.AddrPort) {
	s.listeners = append(s.listeners, listener{transport, addr})
}

// reloadOn reads the certificates again on each hang-up signal.
func (s *Server) reloadOn(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			if err := s.stack.ReloadCertificates(); err != nil {
				s.log.Error("certificates were not reloaded, the old ones stay in use", "error", err)
				continue
			}
			s.log.Info("certificates reloaded")
		}
	}
}

// onDrain adds what has to stop first.
func (s *Server) onDrain(stop func()) { s.beforeDrain = append(s.beforeDrain, stop) }

// drain ends the server so that nothing it has accepted is lost: no new
// connections, 503 for new requests, then everything in progress to its end
// (calls are ended when that takes too long), then the queues.
func (s *Server) drain() error {
	s.log.Info("draining")
	s.draining.Store(true)
	for _, stop := range s.beforeDrain {
		stop()
	}
	s.stack.StopAccepting()
	finish, cancel := context.WithTimeout(context.Background(), finishTime)
	defer cancel()
	talk, cancel := context.WithTimeout(finish, callTime)
	defer cancel()
	var drained, closed error
	s.await("messages for the archive", func() { drained = s.chat.Drain(finish) })
	s.await("changes of groups", s.focus.Close)
	s.await("calls", func() { s.calls.Drain(talk) })
	s.await("requests", func() { s.waitForTransactions(finish) })

	flush, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	close(s.stopping)
	s.api.Close()
	s.await("HTTP", func() { s.doors.close(flush) })
	s.await("connections", func() {
		if err := s.stack.Close(flush); err != nil {
			s.log.Warn("cut off peers that do not read", "error", err) // theirs is the failure
		}
	})
	s.await("subscriptions", s.events.Close)
	s.await("deliveries", s.chat.Close)
	s.await("the legs of calls", s.calls.Close)
	s.await("carriers", s.border.Close)
	s.await("media", func() { drained = errors.Join(drained, s.media.Close(flush)) })
	s.transactions.Close()
	s.await("the store", func() { closed = s.closeStore() })
	s.log.Info("stopped")
	return errors.Join(drained, closed)
}

// await does a step of the end; who waits long reads in the log for what.
func (s *Server) await(what string, end func()) {
	long := time.AfterFunc(longStep, func() { s.log.Info("still waiting", "for", what) })
	defer long.Stop()
	end()
}

// waitForTransactions waits until every request that was accepted has its final
// response. What we sent ourselves gets a short while only: a message whose
// delivery is cut off waits in the archive. At the end of ctx calls that still
// ring are cut off too.
func (s *Server) waitForTransactions(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	patience := time.After(deliveryTime)
	impatient := false
	for {
		received, sent := s.transactions.Unfinished()
		if received == 0 && (sent == 0 || impatient) {
			return
		}
		select {
		case <-ctx.Done():
			s.log.Warn("stopping with requests in progress", "received", received, "sent", sent)
			return
		case <-patience:
			impatient = true
		case <-tick.C:
		}
	}
}

func (s *Server) closeStore() error {
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}

// load tells the chain how full the server is; a server that drains is full.
func (s *Server) load() float64 {
	if s.draining.Load() {
		return 1
	}
	return float64(s.transactions.Live()) / float64(s.cfg.Limits.Transactions)
}

// ready tells why the server should get no traffic.
func (s *Server) ready() error {
	if s.draining.Load() {
		return errors.New("draining: the server stops")
	}
	return s.store.Healthy()
}

func (s *Server) owns(sender auth.Identity, user string) bool {
	return s.accounts.owns(sender.User, user)
}
