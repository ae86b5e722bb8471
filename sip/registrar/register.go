package registrar

import (
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/sip/server"
	"github.com/sparkleim/sparkle/sip/transaction"
	"github.com/sparkleim/sparkle/sip/transport"
	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// registration is what one REGISTER asks for.
type registration struct {
	asker
	req      *sip.Request
	flow     *transport.Flow
	sender   auth.Identity
	repeated bool // server.Request.Repeated
	now      time.Time

	callID    string
	cseq      uint32
	userAgent string
	path      []string
	all       bool // "Contact: *"
	contacts  []contact

	supportsPath, supportsGRUU, outbound bool

	oneContact [1]contact // most have one
	oneStep    [1]step
}

// register answers a REGISTER, in the order of RFC 3261 §10.3. It answers
// before it returns, but for a device or a number that it has not seen. To a
// REGISTER that is repeated because its answer got lost it says what is bound
// now, and changes nothing.
func (g *Registrar) register(in *transaction.Incoming, sender auth.Identity, repeated bool, from asker) {
	reg := &registration{
		asker: from, req: in.Request, flow: in.Flow, sender: sender, repeated: repeated, now: time.Now(),
		callID: in.CallID, cseq: in.CSeq,
	}
	if err := g.checkRequest(reg); err != nil {
		reg.refuse(g, err)
		return
	}
	to := &in.To.URI
	if g.serves(to.Host) && strings.EqualFold(to.User, sender.Username) {
		g.registerOwn(reg)
		return
	}
	g.registerAs(reg, to)
}

// refuse answers with an error.
func (reg *registration) refuse(g *Registrar, err error) {
	g.metrics.refused.Inc()
	reg.answer(nil, err)
}

// checkRequest is RFC 3261 §10.3 steps 1 and 2.
func (g *Registrar) checkRequest(reg *registration) error {
	u := &reg.req.Recipient
	if !g.serves(u.Host) && !g.cfg.Own(u.Host, u.Port) {
		return &server.Error{Status: 404, Warning: "this server is no registrar for that domain"}
	}
	var unsupported []string
	for token := range wire.All(reg.req, "Require") {
		switch strings.ToLower(token) {
		case "gruu", "outbound", "path":
		default:
			unsupported = append(unsupported, token)
		}
	}
	if unsupported != nil {
		return &server.Error{Status: 420, Headers: []sip.Header{wire.H("Unsupported", strings.Join(unsupported, ", "))}}
	}
	return nil
}

// registerAs is steps 4 and 5 for a To that is not the sender's username: it
// must be one of his numbers. An address that does not exist and one of
// somebody else get the same answer.
func (g *Registrar) registerAs(reg *registration, to *sip.Uri) {
	foreign := &server.Error{Status: 403, Warning: "you may register your own address only"}
	if !g.serves(to.Host) {
		reg.refuse(g, foreign)
		return
	}
	decide := func(u *store.User, err error) {
		switch {
		case err != nil:
			reg.refuse(g, err)
		case u == nil || u.ID != reg.sender.User:
			reg.refuse(g, foreign)
		default:
			g.registerOwn(reg)
		}
	}
	g.userOf(to, reg.beginWait, decide)
}

// registerOwn is the rest, for a sender who may change these bindings.
func (g *Registrar) registerOwn(reg *registration) {
	err := g.readContacts(reg)
	if err == nil {
		err = g.readExtensions(reg)
	}
	if err != nil {
		reg.refuse(g, err)
		return
	}
	// While the store is asked about a device of this user, his next requests
	// wait behind it: the first of them may be to remove what is not there yet.
	if !g.jobs.Busy(reg.sender.User) && g.update(reg) || !reg.beginWait() {
		return
	}
	if err := g.jobs.Do(reg.sender.User, func() { g.updateNew(reg) }); err != nil {
		reg.refuse(g, err)
	}
}

// readContacts is step 6 and the part of step 7 that looks at one contact.
func (g *Registrar) readContacts(reg *registration) error {
	values := wire.Values(reg.req, "Contact")
	if len(values) > g.cfg.MaxContacts {
		return tooMany(g.cfg.MaxContacts)
	}
	header, given := parseSeconds(wire.Header(reg.req, "Expires"))
	for _, v := range values {
		if v != "*" {
			continue
		}
		if len(values) > 1 || !given || header != 0 { // step 6
			return badContact(400, "Contact * goes alone and with Expires: 0")
		}
		reg.all = true
		return nil
	}
	if !given {
		header = g.cfg.DefaultExpires
	}
	if len(values) <= len(reg.oneContact) {
		reg.contacts = reg.oneContact[:0]
	} else {
		reg.contacts = make([]contact, 0, len(values))
	}
	for _, v := range values {
		c, err := g.parseContact(v, header)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(reg.contacts, func(o contact) bool { return o.text == c.text && o.instance == c.instance }) {
			return badContact(400, "a Contact is there twice")
		}
		reg.contacts = append(reg.contacts, c)
	}
	return nil
}

// readExtensions reads what the client says of itself and the way it came.
func (g *Registrar) readExtensions(reg *registration) (err error) {
	reg.userAgent = wire.Header(reg.req, "User-Agent")
	for token := range wire.All(reg.req, "Supported") {
		switch {
		case strings.EqualFold(token, "path"):
			reg.supportsPath = true
		case strings.EqualFold(token, "gruu"):
			reg.supportsGRUU = true
		case strings.EqualFold(token, "outbound"):
			reg.outbound = true
		}
	}
	if reg.path, err = readPath(reg.req); err != nil {
		return err
	}
	return reg.checkOutbound()
}

// update is steps 7 and 8: all contacts or none, then the 200. false when a
// device must be asked of the store first; then nothing has happened.
func (g *Registrar) update(reg *registration) bool {
	s := g.table.of(reg.sender.User)
	s.mu.Lock()
	rec := g.table.record(reg.sender)
	if reg.repeated {
		hs := g.success(rec, reg)
		g.table.forgetEmpty(rec)
		s.mu.Unlock()
		reg.answer(hs, nil)
		return true
	}
	plan, err := g.plan(rec, reg)
	if err != nil {
		s.mu.Unlock()
		reg.refuse(g, err)
		return true
	}
	if plan.unknown {
		s.mu.Unlock()
		return false
	}
	done := g.commit(rec, reg, plan)
	hs := g.success(rec, reg)
	g.table.forgetEmpty(rec)
	s.mu.Unlock()

	g.metrics.accepted.Inc()
	g.save(done)
	reg.answer(hs, nil)
	g.afterwards(reg, done)
	return true
}

// afterwards does what nobody waits for.
func (g *Registrar) afterwards(reg *registration, done outcome) {
	for _, d := range done.touch {
		// Losing one changes nothing but what a list of devices shows.
		_ = g.jobs.Do(d.User, func() { g.touchKnown(d) })
	}
	g.reachable(reg)
}

// record returns the record of the sender, made when there is none. The caller
// holds the shard.
func (t *table) record(who auth.Identity) *record {
	rec := t.of(who.User).users[who.User]
	if rec == nil {
		rec = &record{user: who.User, username: who.Username, domain: who.Domain}
		t.insert(rec)
	}
	return rec
}

// insert adds a record. The caller holds the shard.
func (t *table) insert(rec *record) {
	t.of(rec.user).users[rec.user] = rec
	t.present.Add(rec.user)
}

// forgetEmpty drops a record without bindings. The caller holds the shard.
func (t *table) forgetEmpty(rec *record) {
	if len(rec.bindings) == 0 {
		delete(t.of(rec.user).users, rec.user)
		t.present.Remove(rec.user)
	}
}
