package registrar

import (
	"slices"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/sip/wire"
)

// FuzzContact: whatever a Contact says, a REGISTER happens as a whole or not at
// all, the indexes agree with the records, and the 200 can be read.
func FuzzContact(f *testing.F) {
	f.Add(`<sip:alice@192.0.2.1:1;transport=tls>;+sip.instance="<urn:uuid:a>";reg-id=1;q=0.5`)
	f.Add(`"A \"b\" <c>" <sip:alice@[2001:db8::1]>;expires=600;x="a;b,c\\", sips:alice@192.0.2.2;q=1`)
	f.Add(`*`)
	f.Add(`<sip:a@b?Route=%3Csip:x%3E>;+sip.instance="\"<>"`)
	f.Add(`<sip:alice@192.0.2.1:1>;+sip.instance="<x>", <sip:alice@192.0.2.1:1>;+sip.instance="<x>";expires=0`)
	f.Fuzz(func(t *testing.T, value string) {
		if len(value) > 2000 || strings.ContainsAny(value, "\r\n\x00") {
			t.Skip()
		}
		w := newWorld(t, nil)
		p := w.phone("alice", flow(1, "TLS"), "Supported: gruu, outbound")
		p.must(200, instance(1, "a"))
		before := w.where(1)
		r := p.send("Contact: "+value, "Expires: 3600")
		w.consistent()
		if r.status != 200 {
			if after := w.where(1); after != before {
				t.Errorf("refused, but %q became %q", before, after)
			}
			return
		}
		contacts := r.values("Contact")
		if len(contacts) != len(w.Lookup(1)) {
			t.Errorf("%d bindings, told %q", len(w.Lookup(1)), contacts)
		}
		for _, v := range contacts {
			if _, err := wire.ParseNameAddr(v); err != nil || strings.ContainsAny(v, "\r\n\x00") {
				t.Errorf("%q makes Contact %q: %v", value, v, err)
			}
		}
		p.must(200, "Contact: *", "Expires: 0")
		w.consistent()
	})
}

// under returns the bindings that an index has for a number.
func under(x *index, key uint64) (bs []*binding) {
	for b := x.heads[key]; b != nil; b = *x.next(b) {
		bs = append(bs, b)
	}
	return bs
}

// consistent checks that records and indexes tell the same story.
func (w *world) consistent() {
	w.t.Helper()
	bindings, onFlows := 0, 0
	for i := range w.table.shards {
		for _, rec := range w.table.shards[i].users {
			if len(rec.bindings) == 0 {
				w.t.Error("an empty record is kept")
			}
			for _, b := range rec.bindings {
				bindings++
				if !slices.Contains(under(&w.table.contacts, b.place), b) {
					w.t.Errorf("%s is not in the index of Contacts", b.contact)
				}
				if b.flow != nil {
					onFlows++
					if !slices.Contains(under(&w.table.flows, b.flow.ID), b) {
						w.t.Errorf("%s is not in the index of flows", b.contact)
					}
				}
			}
		}
	}
	count := func(x *index) (n int) {
		for key := range x.heads {
			n += len(under(x, key))
		}
		return n
	}
	if count(&w.table.contacts) != bindings || count(&w.table.flows) != onFlows {
		w.t.Errorf("%d bindings, %d with a flow; indexed %d and %d", bindings, onFlows, count(&w.table.contacts), count(&w.table.flows))
	}
}
