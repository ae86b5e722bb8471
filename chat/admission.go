package chat

import (
	"sync"
	"time"
)

// admissions are the messages that their writers were allowed to say in groups, by
// their deduplication keys. One that comes again, because the answer was lost, is
// answered as it was: the rights and the quota of its writer have been asked.
type admissions struct {
	mu    sync.Mutex
	given latest[[16]byte, time.Time]
}

// Bounds of the admissions. A client repeats what was not answered at once, or when
// it is connected again; the archive knows a repetition for much longer, so that
// nothing new is said by an old admission.
const (
	maxAdmissions = 1 << 13
	admissionLife = 24 * time.Hour
)

// ask returns why a message may not be said; may is asked the first time.
func (a *admissions) ask(message [16]byte, may func() error) error {
	now := time.Now()
	a.mu.Lock()
	given, ok := a.given.values[message]
	a.mu.Unlock()
	if ok && now.Sub(given) < admissionLife {
		return nil
	}
	if err := may(); err != nil {
		return err
	}
	a.mu.Lock()
	a.given.put(message, now, maxAdmissions)
	a.mu.Unlock()
	return nil
}
