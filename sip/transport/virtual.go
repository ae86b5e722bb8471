package transport

import (
	"crypto/tls"
	"sync"
)

// Link carries a flow that did not come from a socket of a [Stack]: to a user
// agent in this process, or through a network that a test makes up
// (DESIGN.md law 10).
type Link interface {
	Send(b []byte) error // one message in wire form, not to be kept; ErrClosed when the flow is gone
	Open() bool
	Close(why string)
}

// NewFlow completes f, of which the exported fields are set, to a flow over l.
// What arrives by it is for l's owner to give to the [Handler], stamped by
// [wire.Stamp]. No trace shows it: nothing goes over a wire.
func NewFlow(f *Flow, l Link) *Flow {
	f.link = virtual{l}
	return f
}

// Attach gives a flow of NewFlow an ID of this stack, by which [Stack.Flow] finds
// it as it finds a connection, until it is closed or detached. Attach it before
// anybody else sees it.
func (s *Stack) Attach(f *Flow) {
	f.ID = s.newID()
	s.attached.Store(f.ID, f)
}

// Detach lets Flow find f no longer.
func (s *Stack) Detach(f *Flow) { s.attached.Delete(f.ID) }

// attached are flows without a socket, few and long-lived.
type attached struct{ sync.Map } // uint64 → *Flow

func (a *attached) get(id uint64) (*Flow, bool) {
	f, ok := a.Load(id)
	if !ok || !f.(*Flow).Alive() {
		return nil, false
	}
	return f.(*Flow), true
}

// virtual is the link of NewFlow.
type virtual struct{ Link }

func (v virtual) send(_ *Flow, b []byte) error   { return v.Send(b) }
func (v virtual) shut(why string)                { v.Close(why) }
func (v virtual) open() bool                     { return v.Open() }
func (v virtual) tlsState() *tls.ConnectionState { return nil }
