package event

import (
	"slices"
	"sync"
)

// mail is what has happened to a subscription.
type mail struct {
	published []published  // in their order
	gone      []withdrawal // resources that it is no longer told of
	answer    answer       // the newest; its number is 0 for none
	reachable bool         // its device has registered
	expired   bool         // its time is up
}

// published is a document to be made for the subscriber; without form the package
// is asked for the present state.
type published struct {
	resource string
	form     func(*Subscription) (Document, bool)
}

// withdrawal takes resources away from subscriptions; with a reason it is told.
type withdrawal struct {
	resources  map[string]bool
	reason     string
	everything bool // whatever they are about, and nobody is told
}

// answer is the end of NOTIFY number n.
type answer struct {
	n int
	v verdict
}

// inbox is where everybody may leave mail. Its lock is held for no other work.
type inbox struct {
	mu sync.Mutex
	mail
}

// take empties the inbox.
func (in *inbox) take() mail {
	in.mu.Lock()
	defer in.mu.Unlock()
	m := in.mail
	in.mail = mail{}
	return m
}

// publish leaves a document. When there are too many, they are replaced by the
// resources that they are about.
func (in *inbox) publish(p published) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.published) == maxQueue {
		for i := range in.published {
			in.published[i].form = nil
		}
	}
	if len(in.published) >= maxQueue {
		p.form = nil
		if slices.ContainsFunc(in.published, func(o published) bool { return o.resource == p.resource }) {
			return
		}
	}
	in.published = append(in.published, p)
}

func (in *inbox) withdraw(w withdrawal) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.gone = append(in.gone, w)
}

// answered leaves the answer to a NOTIFY, unless a later one has been answered.
func (in *inbox) answered(a answer) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if a.n > in.answer.n {
		in.answer = a
	}
}

func (in *inbox) registered() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.reachable = true
}

func (in *inbox) expire() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.expired = true
}
