package rtp

// Payload says what becomes of one payload number.
type Payload struct {
	From, To uint8  // the sender's number and the receiver's
	Rate     uint32 // of the sender's timestamps, Hz
	ToRate   uint32 // of the receiver's; differs from Rate only for events, 0: the same
	Event    bool   // telephone-event (RFC 4733)
}

// outRate is the clock of what goes out.
func (p *Payload) outRate() uint32 {
	if p.ToRate != 0 {
		return p.ToRate
	}
	return p.Rate
}

// converts tells whether timestamps and durations are to be scaled.
func (p *Payload) converts() bool { return p.Event && p.Rate != 0 && p.outRate() != p.Rate }

// Payloads is the payload numbers of one direction of one stream. It never
// changes, so many may share it.
type Payloads struct {
	place [128]uint8 // in list, counted from 1; 0: unknown
	list  []Payload
}

// NewPayloads makes the table. Of two entries for one number the first holds;
// numbers above 127 do not exist.
func NewPayloads(list ...Payload) *Payloads {
	t := &Payloads{list: make([]Payload, 0, len(list))}
	for _, p := range list {
		if p.From > 127 || p.To > 127 || t.place[p.From] != 0 {
			continue
		}
		t.list = append(t.list, p)
		t.place[p.From] = uint8(len(t.list))
	}
	return t
}

// Lookup finds a number, nil when the other side has none for it. A nil table
// knows none.
func (t *Payloads) Lookup(pt uint8) *Payload {
	if t == nil {
		return nil
	}
	if i := t.place[pt&0x7f]; i != 0 {
		return &t.list[i-1]
	}
	return nil
}
