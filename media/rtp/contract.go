package rtp

import "time"

// Check tells whether b is an RTP packet, and the length of its header with
// CSRCs and extension. It does not look at padding, which may be encrypted.
func Check(b []byte) (header int, ok bool) { panic("contract") }

// PayloadType and the others read and write fields of a packet that passed Check.
func PayloadType(b []byte) uint8 { panic("contract") }
func Marker(b []byte) bool       { panic("contract") }
func Sequence(b []byte) uint16   { panic("contract") }
func Timestamp(b []byte) uint32  { panic("contract") }
func SSRC(b []byte) uint32       { panic("contract") }

func SetPayloadType(b []byte, pt uint8) { panic("contract") }
func SetMarker(b []byte, on bool)       { panic("contract") }
func SetSequence(b []byte, seq uint16)  { panic("contract") }
func SetTimestamp(b []byte, ts uint32)  { panic("contract") }
func SetSSRC(b []byte, ssrc uint32)     { panic("contract") }

// Payload says what becomes of one payload number.
type Payload struct {
	From, To uint8  // the sender's number and the receiver's
	Rate     uint32 // of the sender's timestamps, Hz
	ToRate   uint32 // of the receiver's; differs from Rate only for events, 0: the same
	Event    bool   // telephone-event (RFC 4733)
}

// Payloads is the payload numbers of one direction of one stream. It never
// changes, so many may share it.
type Payloads struct {
	index [128]uint8 // place in list, 0: unknown
	list  []Payload
}

// NewPayloads makes the table.
func NewPayloads(list ...Payload) *Payloads { panic("contract") }

// Lookup finds a number, nil when the other side has none for it.
func (p *Payloads) Lookup(pt uint8) *Payload { panic("contract") }

// Verdict says what became of a packet. Its String is short, for counters.
type Verdict uint8

const (
	Pass        Verdict = iota
	Unmapped            // "payload": the other side has no number for it
	Late                // "late": older than anything that may still be sent
	Repeated            // "repeated": sent before
	OtherSource         // "source": a second source talks at the same time
)

func (v Verdict) String() string { panic("contract") }

// Kind of a stream, as far as packets differ.
type Kind uint8

const (
	Audio Kind = iota
	Video      // and all else
)

// Rewriter makes one continuous stream towards a peer.
type Rewriter struct{}

// NewRewriter makes one with a random SSRC. resend: the peer may ask for lost
// packets again (NACK), so an identical packet passes a second time.
func NewRewriter(k Kind, resend bool) *Rewriter { panic("contract") }

// Rewrite changes the header of b in place.
func (r *Rewriter) Rewrite(b []byte, header int, p *Payload, at int64) Verdict { panic("contract") }

// Switch tells that packets come from another leg from now on: the next one
// continues the stream whatever its SSRC is.
func (r *Rewriter) Switch() { panic("contract") }

// SetUntouched chooses whether packets pass as they are: plain RTP on both sides
// with equal payload numbers, perhaps ZRTP inside. What goes out is counted all
// the same. p may be nil then.
func (r *Rewriter) SetUntouched(on bool) { panic("contract") }

// SSRC is that of the packets that go out.
func (r *Rewriter) SSRC() uint32 { panic("contract") }

// Source is the SSRC of the packets that come in, false before the first.
func (r *Rewriter) Source() (ssrc uint32, ok bool) { panic("contract") }

// Sent counts what went out; bytes are payload only.
func (r *Rewriter) Sent() (packets, bytes uint64) { panic("contract") }

// Receiver measures what a peer sends. Its zero value is ready.
type Receiver struct{}

// Receive counts a packet. p nil: payload number unknown, no jitter. false: it
// is of one SSRC too many (RFC 3550 §8.2 has no limit; we have 4 a stream).
func (r *Receiver) Receive(b []byte, header int, p *Payload, at int64) bool { panic("contract") }

// Stats of what came, over all SSRCs.
type Stats struct {
	Packets, Bytes uint64 // bytes of payload
	Expected       uint64
	Lost           uint64
	Jitter         time.Duration // of the SSRC that talked last
	Last           int64         // when, 0: never
}

// Loss is the share of packets lost, 0 to 1.
func (s Stats) Loss() float64 { panic("contract") }

// Stats so far.
func (r *Receiver) Stats() Stats { panic("contract") }

// NewCNAME makes a random canonical name (RFC 7022), one a leg.
func NewCNAME() string { panic("contract") }

// Reports writes RTCP to one peer and reads the peer's.
type Reports struct{}

// NewReports of one stream: in is what the peer sends, out what it is sent.
func NewReports(cname string, in *Receiver, out *Rewriter) *Reports { panic("contract") }

// Due tells whether a report is to be sent now, every 2 to 6 s (RFC 3550 §6.3).
func (r *Reports) Due(now int64) bool { panic("contract") }

// Append appends a compound packet of at most 256 bytes to dst. source is the
// receiver of the leg whose packets go out here (its sender reports carry the
// clock that keeps lips and voice together), nil for none.
func (r *Reports) Append(dst []byte, now int64, source *Receiver) []byte { panic("contract") }

// Prefix appends what feedback has to follow when reduced size was not agreed
// (RFC 4585 §3.1): an empty receiver report and our name.
func (r *Reports) Prefix(dst []byte) []byte { panic("contract") }

// Goodbye appends a report and a BYE (RFC 3550 §6.6).
func (r *Reports) Goodbye(dst []byte, now int64, source *Receiver) []byte { panic("contract") }

// Heard is what an RTCP packet held.
type Heard struct {
	Bye      bool  // a source of the peer ended; others go on, so does the call
	Feedback Kinds // give it to Feedback.Translate when not 0
}

// Read takes what the peer sent, decrypted. false: it is malformed and had no
// effect. Reduced size (RFC 5506) is accepted.
func (r *Reports) Read(b []byte, now int64) (Heard, bool) { panic("contract") }

// Remote is how the peer sees what we send to it.
type Remote struct {
	RoundTrip time.Duration // 0: unknown
	Lost      uint64
	Fraction  float64 // lost in its last interval, 0 to 1
	Jitter    time.Duration
	MOS       float64 // as the peer says itself (RFC 3611 §4.7), 0: unknown
}

// Remote tells it as of the last report.
func (r *Reports) Remote() Remote { panic("contract") }

// Kinds is a set of feedback messages.
type Kinds uint16

const (
	PLI   Kinds = 1 << iota // picture loss (RFC 4585 §6.3.1): "nack pli"
	SLI                     // slice loss (RFC 4585 §6.3.2): "nack sli"
	RPSI                    // reference picture (RFC 4585 §6.3.3): "ack rpsi", "nack rpsi"
	NACK                    // lost packets (RFC 4585 §6.2.1): "nack"
	FIR                     // full intra request (RFC 5104 §4.3.1): "ccm fir"
	TMMBR                   // bit rate limit and its confirmation (RFC 5104 §4.2): "ccm tmmbr"
	REMB                    // estimated bit rate: "goog-remb"
)

// Feedback is what one peer asks and is asked.
type Feedback struct{}

// NewFeedback of one stream: out is what the peer is sent; allowed is what the
// peer understands when it is asked.
func NewFeedback(out *Rewriter, allowed Kinds) *Feedback { panic("contract") }

// SetAllowed after a new offer and answer.
func (f *Feedback) SetAllowed(k Kinds) { panic("contract") }

// Translate appends to dst what the peer of f asks in the RTCP packet b, as the
// peer of to has to read it. dst comes back as it was when nothing is to be
// passed. A picture request of a kind that to does not know becomes one that it knows.
func (f *Feedback) Translate(dst, b []byte, to *Feedback, now int64) []byte { panic("contract") }

// Picture appends a request of our own for a whole picture to the peer, whose
// video SSRC is source: PLI or FIR, nothing when neither is allowed.
func (f *Feedback) Picture(dst []byte, source uint32, now int64) []byte { panic("contract") }

// Events finds the keys that a peer presses (RFC 4733). Its zero value is ready.
type Events struct{}

// Receive reads a packet of a telephone-event payload and tells each key once:
// 0-9, *, #, A-D. What was pressed may be a secret: not for logs.
func (e *Events) Receive(b []byte, header int, p *Payload) (key byte, ok bool) { panic("contract") }

// Quality of speech.
type Quality struct {
	R   float64 // 0 to 100
	MOS float64 // 1 to 4.5
}

// Judge estimates the quality of speech in one direction (ITU-T G.107). codec is
// as in SDP ("opus", "PCMU"…), in any case; loss is 0 to 1.
func Judge(codec string, loss float64, roundTrip, jitter time.Duration) Quality { panic("contract") }
