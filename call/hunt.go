package call

import (
	"github.com/emiago/sipgo/sip"
	"github.com/sparkleim/sparkle/sip/registrar"
	"github.com/sparkleim/sparkle/store"
)

// A hunt group is an address that rings several users. A member is rung at his
// devices: his own forwards are about calls to himself, and who does not want to
// be disturbed is left out. A member may also be a number outside; the group pays
// for it by the default class of service, with its own numbers.

// hunt lets a group decide whom a call tries next.
func (c *call) hunt(g *store.HuntGroup) {
	t := c.service.settings
	who := payer{group: g.Name, from: g.Name + "@" + t.domains[0]}
	var overflow *sip.Uri
	if to, err := t.address(g.Overflow); g.Overflow != "" && err == nil {
		overflow = &to
	}
	c.mu.Lock()
	if c.record.Callee.Address == "" {
		c.record.Callee = store.CallParty{Address: who.from, Shown: who.from}
	}
	ok := c.route.enter(who.from) && c.route.hunt(g, t.members(g), overflow, who)
	c.mu.Unlock()
	if !ok {
		c.deny(deniedLoop, who.from, who, "the group was tried already, or the call was diverted too often")
		c.cannot(unavailable())
		return
	}
	c.advance(outcome{})
}

// members are the addresses of a group's members.
func (t *settings) members(g *store.HuntGroup) []sip.Uri {
	members := make([]sip.Uri, 0, len(g.Members))
	for _, m := range g.Members {
		if u, err := t.address(m); err == nil {
			members = append(members, u)
		}
	}
	return members
}

// callMembers rings all members of a group at once.
func (c *call) callMembers(at stage) {
	c.gather(at, c.service.settings.members(at.group), nil)
}

// gather finds the devices of one member after the other, and rings them all in
// the end.
func (c *call) gather(at stage, left []sip.Uri, all []registrar.Target) {
	if len(left) == 0 {
		c.ringAll(at, all)
		return
	}
	c.service.cfg.Proxy.Targets(&left[0], func(found registrar.Resolved) {
		defer c.caught()
		c.gather(at, left[1:], append(all, c.devices(at, left[0], found)...))
	})
}

// devices are what is rung for a member of a group, nil for nothing.
func (c *call) devices(at stage, member sip.Uri, found registrar.Resolved) []registrar.Target {
	s := c.service
	switch {
	case found.Found && !found.Disabled:
		return c.devicesOf(found)
	case found.Err != nil || s.cfg.Border == nil || !isTelephone(&member):
		return nil
	}
	at.address = member
	ways, err := c.waysOut(at)
	if err != nil {
		return nil
	}
	return []registrar.Target{c.outside(at, &ways[0])}
}

func (c *call) devicesOf(found registrar.Resolved) []registrar.Target {
	id := found.User.ID
	if id == c.caller.user || disturbed(c.service.settings.of(id)) || !reachable(found.Targets) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	callee := c.record.Callee
	c.meant(found)
	c.record.Callee = callee // the group, until somebody answers
	if !c.route.enter(found.User.AOR()) {
		return nil
	}
	devices := make([]registrar.Target, len(found.Targets))
	for i, t := range found.Targets {
		t.Q = 1000 // preferences of different users cannot be compared
		devices[i] = t
	}
	return devices
}

func (c *call) ringAll(at stage, all []registrar.Target) {
	err := c.service.refuseMore(c.caller.user)
	if err == nil && len(all) == 0 {
		err = unavailable()
	}
	c.mu.Lock()
	if err == nil {
		err = c.prepare()
	}
	c.mu.Unlock()
	if err != nil {
		c.cannot(err)
		return
	}
	c.wait(at.ring, nil)
	c.fork.Extend(all)
}
