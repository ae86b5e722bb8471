package main

import (
	"context"
	"iter"
	"strconv"
	"time"

	"github.com/sparkleim/sparkle/admin"
	"github.com/sparkleim/sparkle/sip/transport"
)

func (s *Server) status(ctx context.Context) (admin.Status, error) {
	stats, err := s.store.Stats(ctx)
	if err != nil {
		return admin.Status{}, err
	}
	st := admin.Status{
		Domains: s.cfg.Domains, Started: s.started,
		Users: stats.Users, Devices: stats.Devices, Groups: len(s.groups.All()), Messages: stats.Messages,
		Bytes: stats.Bytes, Queue: stats.Queue, IndexLag: stats.IndexLag,
	}
	for _, n := range s.stack.Count() {
		st.Connections += n
	}
	ports := s.media.Usage()
	st.Calls, st.MediaPorts = s.calls.InProgress(), admin.PortStatus{Used: ports.Ports, Free: ports.FreePorts}
	st.Trunks = []admin.TrunkStatus{}
	for _, t := range s.border.Trunks() {
		st.Trunks = append(st.Trunks, admin.TrunkStatus{Name: t.Name, State: t.State()})
	}
	for _, l := range s.listeners {
		st.Listeners = append(st.Listeners, admin.ListenStatus{Transport: l.transport, Address: l.addr.String()})
	}
	return st, nil
}

// tracer shows what passes the transport until the server stops.
type tracer struct {
	stack *transport.Stack
	ended <-chan struct{}
}

// Trace listens at once; the transport ends it with ctx at the latest.
func (t tracer) Trace(ctx context.Context, f admin.TraceFilter) iter.Seq[admin.TraceEvent] {
	limit := time.Hour
	if deadline, ok := ctx.Deadline(); ok {
		limit = time.Until(deadline)
	}
	events, stop := t.stack.Trace(transport.TraceFilter{User: f.User, Addr: f.Address, For: limit})
	return func(yield func(admin.TraceEvent) bool) {
		defer stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.ended: // the doors wait for us
				return
			case e, more := <-events:
				if !more || !yield(traceEvent(e)) {
					return
				}
			}
		}
	}
}

func traceEvent(e transport.TraceEvent) admin.TraceEvent {
	text := e.Text
	if e.Lost > 0 {
		text = "(" + strconv.Itoa(e.Lost) + " messages before this one are not shown: the reader is too slow)\r\n" + text
	}
	return admin.TraceEvent{
		At: e.Time, Received: !e.Sent, Transport: e.Transport,
		Local: e.Local.String(), Remote: e.Remote.String(), Message: text,
	}
}
