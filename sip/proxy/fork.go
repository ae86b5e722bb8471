package proxy

import "github.com/emiago/sipgo/sip"

// fork is the pure half of a response context (RFC 3261 §16.7): it is told what
// happened and says what to do. It knows no messages, no clock and no network.
type fork struct {
	invite    bool
	watched   bool // a watcher may name more targets when all have failed
	gone      int  // the final response when every flow has failed: 480, or 430 inside a dialog
	branches  []forkBranch
	sent      int  // status of the final response that went upstream, 0 before
	asking    bool // it is the watcher's turn: nothing runs that it would not wait for
	cancelled bool // by the caller
}

// forkBranch is what fork knows of one target.
type forkBranch struct {
	group     int // of equal q; groups run one after the other
	after     int // index of the branch to the same device that must fail first, or -1
	state     branchState
	cancelled bool
	abandoned bool // the watcher does not wait for it any more
	status    int  // of the final response
	local     bool // the final response is our own: a timeout or a flow that failed
}

type branchState uint8

const (
	waiting    branchState = iota // not started
	calling                       // sent
	proceeding                    // a provisional response came
	done
	skipped // never started: answered, declined by all (6xx), cancelled or given up before
)

// event is something that happened to a response context.
type event struct {
	kind   eventKind
	branch int
	status int // of a response; of a failure the one that it stands for
}

type eventKind uint8

const (
	extended   eventKind = iota // targets were added: the first ones, or more; or there are none
	response                    // of a branch, with its status
	failed                      // a branch ended without a final response; status says how
	timerFired                  // Timer C of a branch
	cancelled                   // the caller gave up
	movedOn                     // the watcher does not want to wait for those that run
	ended                       // the watcher gave up, with a status for the caller
)

// action is something that a response context has to do.
type action struct {
	kind   actionKind
	branch int
	status int // of reply and of cancelBranch: why
}

type actionKind uint8

const (
	startBranch  actionKind = iota // send the request to this target
	cancelBranch                   // send CANCEL; status 200 or 6xx of another branch is the reason, 0 the caller's
	relay                          // forward the response of this event
	relayBest                      // forward the final response that this branch gave
	reply                          // answer with a response of our own; branch -1 when it stands for none
	ask                            // ask the watcher for more; status is what the caller would be told
)

// statusFlowFailed is 430 Flow Failed (RFC 5626 §11.6): between proxies, and to
// a request inside a dialog whose device has no flow now.
const statusFlowFailed = 430

// add puts targets behind those that there are, or beside those that run. Their
// groups and alternatives are numbered from 0.
func (f *fork) add(more []forkBranch) {
	first, group := len(f.branches), f.group()
	if first > 0 && group < 0 {
		group = f.branches[first-1].group + 1
	}
	group = max(group, 0)
	for _, b := range more {
		b.group += group
		if b.after >= 0 {
			b.after += first
		}
		f.branches = append(f.branches, b)
	}
}

// step takes one event and appends what is to be done to do.
func (f *fork) step(e event, do []action) []action {
	switch e.kind {
	case extended:
		return f.extend(do)
	case cancelled:
		return f.cancel(do)
	case movedOn:
		return f.moveOn(do)
	case ended:
		return f.end(e.status, do)
	case timerFired:
		return f.timerC(e.branch, do)
	case failed:
		return f.fail(e.branch, e.status, do)
	}
	switch {
	case e.status < 200:
		return f.provisional(e, do)
	case e.status < 300:
		return f.success(e, do)
	}
	return f.failure(e.branch, e.status, do)
}

// provisional is §16.7 step 5: everything but 100 goes upstream at once, and
// nothing for other requests than INVITE (RFC 4320 §4.1).
func (f *fork) provisional(e event, do []action) []action {
	b := &f.branches[e.branch]
	if b.state == done {
		return do
	}
	b.state = proceeding
	if e.status == sip.StatusTrying || !f.invite || f.sent != 0 {
		return do
	}
	return append(do, action{kind: relay, branch: e.branch})
}

// success is §16.7 steps 5 and 10: every 2xx to an INVITE goes upstream, of
// every branch and however often; the other branches are cancelled.
func (f *fork) success(e event, do []action) []action {
	b := &f.branches[e.branch]
	b.state, b.status = done, e.status
	if f.invite || f.sent == 0 {
		do = append(do, action{kind: relay, branch: e.branch})
	}
	if f.sent == 0 {
		f.sent = e.status
	}
	return f.close(e.status, do)
}

// failure is §16.7 step 4 for a final response other than 2xx.
func (f *fork) failure(i, status int, do []action) []action {
	b := &f.branches[i]
	if b.state != calling && b.state != proceeding {
		return do
	}
	b.state = done
	if b.abandoned {
		return do // nobody waits for it; its status is what it was given up with
	}
	b.status = status
	if status >= 600 {
		do = f.close(status, do) // §16.7 step 5: it ends the search, but is sent when all have ended
	}
	if status == statusFlowFailed {
		if next := f.alternate(i); next >= 0 {
			return f.start(next, do)
		}
	}
	return f.conclude(do)
}

// fail ends a branch with a final response of our own making (§16.8, §16.9).
func (f *fork) fail(i, status int, do []action) []action {
	b := &f.branches[i]
	if b.state != done {
		b.local = true
	}
	return f.failure(i, status, do)
}

// cancel is §16.10: the caller does not want an answer any more.
func (f *fork) cancel(do []action) []action {
	if f.sent != 0 || f.cancelled {
		return do
	}
	f.cancelled = true
	do = f.close(0, do)
	if f.running() {
		return do // they end with 487
	}
	f.sent = sip.StatusRequestTerminated
	return append(do, action{kind: reply, branch: -1, status: f.sent})
}

// extend tries the targets that were added, unless the caller does not wait any
// more. When there are none, he gets the best response so far.
func (f *fork) extend(do []action) []action {
	if f.sent != 0 || f.cancelled {
		return do
	}
	if f.asking = false; f.running() {
		return f.startWaiting(f.group(), do)
	}
	if more, ok := f.startGroup(do); ok {
		return more
	}
	return f.answer(do)
}

// moveOn goes on as if those that run had answered 480. A 2xx that comes all the
// same still counts.
func (f *fork) moveOn(do []action) []action {
	if f.sent != 0 || f.cancelled || f.asking {
		return do
	}
	for i := range f.branches {
		b := &f.branches[i]
		if b.abandoned || b.state != calling && b.state != proceeding {
			continue
		}
		b.abandoned, b.local, b.status = true, true, sip.StatusTemporarilyUnavailable
		if !b.cancelled {
			b.cancelled = true
			do = append(do, action{kind: cancelBranch, branch: i})
		}
	}
	return f.conclude(do)
}

// end tells the caller at once, and cancels what runs.
func (f *fork) end(status int, do []action) []action {
	if f.sent != 0 || f.cancelled {
		return do
	}
	f.sent = status
	return append(f.close(status, do), action{kind: reply, branch: -1, status: status})
}

// timerC is §16.8: a phone that rings too long is cancelled. One that never
// answered, or does not obey, is given up by the transaction layer.
func (f *fork) timerC(i int, do []action) []action {
	b := &f.branches[i]
	if b.state != proceeding || b.cancelled {
		return do
	}
	b.cancelled = true
	return append(do, action{kind: cancelBranch, branch: i})
}

// close cancels what runs and starts nothing more.
func (f *fork) close(why int, do []action) []action {
	for i := range f.branches {
		b := &f.branches[i]
		switch {
		case b.state == waiting:
			b.state = skipped
		case b.state == done || b.state == skipped || b.cancelled || !f.invite: // only INVITE can be cancelled (§9.1)
		default:
			b.cancelled = true
			do = append(do, action{kind: cancelBranch, branch: i, status: why})
		}
	}
	return do
}

// conclude goes on when no branch is running: with the next group, with what the
// watcher knows, or with the best response.
func (f *fork) conclude(do []action) []action {
	if f.running() {
		return do
	}
	if more, ok := f.startGroup(do); ok {
		return more
	}
	switch {
	case f.sent != 0 || f.asking:
		return do
	case f.watched && !f.cancelled:
		f.asking = true
		return append(do, action{kind: ask, status: upstream(f.branches[f.best()].status, f.gone)})
	}
	return f.answer(do)
}

// over tells whether nothing but a repeated 2xx can follow.
func (f *fork) over() bool {
	if f.sent == 0 {
		return false
	}
	for i := range f.branches {
		if s := f.branches[i].state; s == calling || s == proceeding {
			return false
		}
	}
	return true
}

// running tells whether there is a branch worth waiting for.
func (f *fork) running() bool { return f.group() >= 0 }

// group is the one of the branches that are worth waiting for, -1 when there are
// none.
func (f *fork) group() int {
	for i := range f.branches {
		b := &f.branches[i]
		if (b.state == calling || b.state == proceeding) && !b.abandoned {
			return b.group
		}
	}
	return -1
}

// startGroup starts the targets of the best q that were not tried yet.
func (f *fork) startGroup(do []action) (more []action, ok bool) {
	for i := range f.branches {
		if b := &f.branches[i]; b.state == waiting && b.after < 0 {
			return f.startWaiting(b.group, do), true
		}
	}
	return do, false
}

func (f *fork) startWaiting(group int, do []action) []action {
	for i := range f.branches {
		if b := &f.branches[i]; b.state == waiting && b.after < 0 && b.group == group {
			do = f.start(i, do)
		}
	}
	return do
}

func (f *fork) start(i int, do []action) []action {
	f.branches[i].state = calling
	return append(do, action{kind: startBranch, branch: i})
}

// widest is the most branches that will run at a time.
func widest(branches []forkBranch) int {
	most := 0
	for i, n := 0, 0; i < len(branches); i++ {
		if i > 0 && branches[i].group != branches[i-1].group {
			n = 0
		}
		if branches[i].after < 0 {
			n++
		}
		most = max(most, n)
	}
	return most
}

// alternate returns the next flow of the same device, or -1 (RFC 5626 §6).
func (f *fork) alternate(i int) int {
	for j := range f.branches {
		if b := &f.branches[j]; b.after == i && b.state == waiting {
			return j
		}
	}
	return -1
}

// answer sends the best final response upstream (§16.7 steps 6 and 9).
func (f *fork) answer(do []action) []action {
	i := f.best()
	if i < 0 {
		f.sent = f.gone // there was nobody to ask
		return append(do, action{kind: reply, branch: -1, status: f.sent})
	}
	b := &f.branches[i]
	f.sent = upstream(b.status, f.gone)
	if f.cancelled && f.sent < 600 {
		f.sent = sip.StatusRequestTerminated // whatever somebody said before or after, or did not say
	}
	if b.local || f.sent != b.status {
		return append(do, action{kind: reply, branch: i, status: f.sent})
	}
	return append(do, action{kind: relayBest, branch: i})
}

// upstream is the status that the caller sees: 503 says something about this
// server and would blacklist it (§16.7 step 6), 430 is not for endpoints outside
// a dialog (RFC 5626 §11.6).
func upstream(status, gone int) int {
	switch status {
	case sip.StatusServiceUnavailable:
		return sip.StatusInternalServerError
	case statusFlowFailed:
		return gone
	}
	return status
}

// best is §16.7 step 6: 6xx before all, then the lowest class, and in a class
// the one that helps the caller most; of equals the first target.
func (f *fork) best() int {
	best := -1
	for i := range f.branches {
		b := &f.branches[i]
		if (b.state == done || b.abandoned) && (best < 0 || rank(b.status) < rank(f.branches[best].status)) {
			best = i
		}
	}
	return best
}

// rank orders final responses, the best lowest.
func rank(status int) int {
	const perClass = 10
	class := status / 100 * perClass
	switch status {
	case sip.StatusUnauthorized, sip.StatusProxyAuthRequired:
		return class // with credentials all of them may succeed
	case sip.StatusUnsupportedMediaType, sip.StatusBadExtension, sip.StatusAddressIncomplete:
		return class + 1 // the caller can mend these
	case sip.StatusRequestTerminated:
		return class + 3
	case sip.StatusRequestTimeout, sip.StatusTemporarilyUnavailable, sip.StatusServiceUnavailable:
		return class + 4 // says least about the user
	case statusFlowFailed:
		return class + 5
	}
	if status >= 600 {
		return 0
	}
	return class + 2
}
