package event

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/store"
)

// subscription is a dialog with a subscriber (RFC 6665 §4.4).
type subscription struct {
	pkg    Package
	in     inbox
	inLine bool // under the lock of ready
	entry       // under the lock of table

	own sync.Mutex // whoever holds it owns what follows
	Subscription
	owed     []string // resources of which the package is to be asked
	docs     []Document
	must     bool      // a NOTIFY is owed even when there is nothing new
	stalled  bool      // the device is away or would not: wait for it, or for news
	ending   string    // the reason; forgotten but for what is left to send
	over     bool      // forgotten
	underWay *Document // being sent; an empty one for a NOTIFY without body
	last     bool      // it is the last one
	attempt  attempt

	confirmed string // the resource of the last document that was taken, "" when the package was told
	savedAt   uint32 // LocalCSeq when it was saved in this run
}

// attempt is the sending of one document, over one flow after another.
type attempt struct {
	n     int      // NOTIFYs sent; an answer to any but the last comes too late
	flow  uint64   // where the last one is under way, 0 when none is
	tried []uint64 // flows that did not lead to the device
}

// A CSeq is saved seldom: after a restart it goes on behind all that may have been
// used since (RFC 3261 §12.2.1.1 wants it to grow, not to be dense).
const (
	saveEvery = 500
	leap      = 2 * saveEvery
)

func (s *subscription) dialog() dialogKey { return dialogKey{s.CallID, s.LocalTag, s.RemoteTag} }
func (s *subscription) device() deviceKey { return deviceKey{s.User, s.Device} }

// isAt tells whether the device can be reached by a target.
func (s *subscription) isAt(t *registrar.Target) bool {
	return t.Device.ID == s.Device && t.Flow != nil
}

// record is what the store keeps.
func (s *subscription) record() store.Subscription {
	s.savedAt = s.LocalCSeq
	s.Version = s.Told[s.Resource] // 0 of a list
	rec := s.Subscription.Subscription
	if s.isList() {
		rec.Versions = maps.Clone(s.Told)
	}
	return rec
}

// resume makes a subscription of an earlier run ready: what it missed it gets when
// its device registers.
func (s *subscription) resume() {
	s.LocalCSeq += leap
	if s.isList() && s.Versions != nil {
		s.Told, s.Versions = s.Versions, nil
	} else if s.Version > 0 {
		s.Told[s.Resource] = s.Version
	}
	s.owed, s.stalled = slices.Clone(s.resources()), true
}

// refresh owes the subscriber the present state, as every SUBSCRIBE does (RFC 6665
// §4.2.1.2).
func (s *subscription) refresh() {
	s.owed, s.docs = slices.Clone(s.resources()), nil
	s.must, s.stalled = true, false
}

// end owes it one last NOTIFY.
func (s *subscription) end(reason string) {
	s.owed, s.docs = nil, nil
	s.must, s.stalled = true, false
	s.ending = reason
}

// read takes what came by mail.
func (s *subscription) read(m mail, now time.Time, bound func(flow uint64) bool) {
	for _, w := range m.gone {
		s.withdraw(w)
	}
	if m.answer.n == s.attempt.n && s.attempt.flow != 0 {
		s.settle(m.answer.v)
	}
	if m.reachable {
		s.stalled = false
		if s.attempt.flow != 0 && !bound(s.attempt.flow) {
			s.settle(broken) // the phone changed its network and left a dead connection behind
		}
	}
	for _, p := range m.published {
		s.hear(p)
	}
	if m.expired && s.ending == "" && !s.Expires.After(now) {
		s.end("timeout") // RFC 6665 §4.2.2
	}
}

// hear takes what was published.
func (s *subscription) hear(p published) {
	if s.over || s.ending != "" || !slices.Contains(s.resources(), p.resource) {
		return
	}
	if s.stalled || p.form == nil || slices.Contains(s.owed, p.resource) {
		s.stalled = false // news are a reason to try again
		s.owe(p.resource)
		return
	}
	d, ok := p.form(&s.Subscription)
	if !ok || d.Version != 0 && d.Version <= s.newest(p.resource) {
		return
	}
	d.Resource = p.resource
	s.docs = append(s.docs, d)
	if len(s.docs) > maxQueue {
		s.fallBack()
	}
}

// newest is the version that the subscriber has or gets without doing anything.
func (s *subscription) newest(resource string) int64 {
	v := s.Told[resource]
	if s.underWay != nil && s.underWay.Resource == resource {
		v = max(v, s.underWay.Version)
	}
	for i := range s.docs {
		if s.docs[i].Resource == resource {
			v = max(v, s.docs[i].Version)
		}
	}
	return v
}

// fallBack forgets the documents that wait: the package will be asked for what they
// tell.
func (s *subscription) fallBack() {
	docs := s.docs
	s.docs = nil
	for i := range docs {
		s.owe(docs[i].Resource)
	}
}

func (s *subscription) owe(resource string) {
	if !slices.Contains(s.owed, resource) {
		s.owed = append(s.owed, resource)
	}
}

// withdraw takes resources away.
func (s *subscription) withdraw(w withdrawal) {
	if w.everything {
		s.over = true
	}
	if s.over || s.ending != "" {
		return
	}
	if !s.isList() {
		switch {
		case !w.resources[s.Resource]:
		case w.reason == "":
			s.over = true
		default:
			s.end(w.reason)
		}
		return
	}
	isGone := func(resource string) bool { return w.resources[resource] }
	s.List = slices.DeleteFunc(slices.Clone(s.List), isGone)
	s.owed = slices.DeleteFunc(s.owed, isGone)
	s.docs = slices.DeleteFunc(s.docs, func(d Document) bool { return w.resources[d.Resource] })
	for resource := range w.resources {
		delete(s.Told, resource)
	}
	// A device that has made another list for everything has forgotten this one.
	s.over = len(s.List) == 0 && w.reason == ""
}

// waiting tells whether there may be something to send.
func (s *subscription) waiting() bool {
	return s.underWay != nil || s.must || len(s.docs) > 0 || len(s.owed) > 0
}

// pick puts the next document under way.
func (s *subscription) pick() bool {
	if s.underWay != nil {
		return true // by another flow
	}
	s.fill()
	switch {
	case len(s.docs) > 0:
		d := s.docs[0]
		s.underWay, s.docs = &d, s.docs[1:]
	case s.must:
		s.underWay = &Document{}
	default:
		return false
	}
	s.must = false
	if s.ending != "" {
		s.fill()
		s.last = len(s.docs) == 0
	}
	return true
}

// fill asks the package, one resource after the other, until there is something to
// send: so the documents of a long list do not exist all at once.
func (s *subscription) fill() {
	for len(s.docs) == 0 && len(s.owed) > 0 {
		resource := s.owed[0]
		s.owed = s.owed[1:]
		s.docs = slices.Clone(s.pkg.Current(&s.Subscription, resource))
		for i := range s.docs {
			s.docs[i].Resource = resource
		}
	}
}

// settle takes the end of the NOTIFY under way.
func (s *subscription) settle(v verdict) {
	d, flow := s.underWay, s.attempt.flow
	s.attempt.flow = 0
	if v == broken {
		s.attempt.tried = append(s.attempt.tried, flow)
		return
	}
	s.underWay, s.attempt.tried = nil, nil
	switch {
	case v == refused:
		s.over = true
	case v == took:
		if d.Resource != "" && slices.Contains(s.resources(), d.Resource) {
			s.Told[d.Resource] = d.Version
			s.confirmed = d.Resource
		}
	default:
		s.underWay = d
		s.stall()
	}
}

// stall keeps for later what cannot be told now.
func (s *subscription) stall() {
	d, owed := s.underWay, s.owed
	s.underWay, s.attempt.tried, s.owed, s.stalled = nil, nil, nil, true
	switch {
	case d == nil:
	case d.Resource == "":
		s.must = true
	case slices.Contains(s.resources(), d.Resource):
		s.owe(d.Resource)
	}
	s.fallBack()
	for _, resource := range owed {
		s.owe(resource)
	}
}

// state is the value of Subscription-State (RFC 6665 §4.1.3).
func (s *subscription) state(now time.Time) string {
	if s.last {
		return "terminated;reason=" + s.ending
	}
	return "active;expires=" + seconds(max(0, s.Expires.Sub(now)))
}

// usesGRUU tells whether the subscriber calls itself by its GRUU (RFC 5627 §4.3).
func (s *subscription) usesGRUU() bool { return strings.Contains(s.Subscriber, ";gr=") }
