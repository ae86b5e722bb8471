package event

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/store"
)

// Package is an event package (RFC 6665 §5). Its functions must not block. They may
// be called for several subscriptions at once, never for one.
type Package interface {
	Name() string // "conference"
	// Subscribe judges a new subscription (LocalCSeq is 0) or a refresh; an error
	// is answered as it is, and ends what was to be refreshed when it is final
	// (404, 403 …, not 5xx).
	//
	// List is nil for a subscription to Resource alone. Of a list subscription
	// Resource is where it was sent, and List has the addresses asked for:
	// Subscribe takes away those that are nothing to the subscriber. It may write
	// an address as it is published. Told has what the parameter Last-Notify of an
	// entry says; for Resource alone the package puts there what it reads from r.
	// A refresh repeats what the first request said, so it cannot change what Told
	// has already.
	Subscribe(s *Subscription, r *server.Request) error
	// Current is what brings a subscriber up to date with one resource, after
	// SUBSCRIBE and when he is back: the documents that lead from what he was told
	// (s.Told[resource]; absent: nothing) to the present, each the body of a
	// NOTIFY. None when he knows everything.
	Current(s *Subscription, resource string) []Document
}

// Confirmer is a package that wants to know what its subscribers know. Confirmed is
// called after a device has taken a document; it must not block.
type Confirmer interface {
	Confirmed(u store.UserID, d store.DeviceID, resource string)
}

// Document is the body of a NOTIFY. Those who get it share it.
type Document struct {
	Type     string // media type
	Headers  []sip.Header
	Body     []byte
	Resource string // that it is about; the notifier writes it
	Version  int64  // grows with each change of the resource; 0 for what has none
}

// Subscription is one subscriber's wish. It is for the package only from within
// its functions and from the form of [Notifier.Publish].
type Subscription struct {
	store.Subscription
	// Told is the version of each resource that the subscriber has confirmed.
	Told map[string]int64
}

// isList tells whether it was made by a list in the body.
func (s *Subscription) isList() bool { return s.List != nil }

// resources are the addresses that it is about.
func (s *Subscription) resources() []string {
	if s.isList() {
		return s.List
	}
	return []string{s.Resource}
}
