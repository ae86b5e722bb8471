package store

import (
	"context"
	"time"
)

// CallRecord is the record of one call, or of the attempt to make one. It is
// written when the call begins and again whenever it gets further.
type CallRecord struct {
	ID        int64  `json:"id"` // unique, grows with time; GIDString is how it is named outside
	CallID    string `json:"call_id"`
	TraceID   string `json:"trace_id"`
	Direction string `json:"direction"` // "internal", "in" (from a carrier), "out" (to one), "click" (POST /v1/calls)

	Caller  CallParty `json:"caller"`
	Dialled string    `json:"dialled"` // as the caller wrote it
	Number  string    `json:"number"`  // E.164 after the number plan; "" for a user or group
	Callee  CallParty `json:"callee"`  // who answered, or who was meant

	Started  time.Time  `json:"started"`
	Ringing  *time.Time `json:"ringing,omitempty"`
	Answered *time.Time `json:"answered,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"` // nil: it goes on

	Status  int    `json:"status"`   // SIP status of the end of setting up: 200, 486 …; 0 before
	Reason  string `json:"reason"`   // readable
	Cause   int    `json:"cause"`    // Q.850, 16 for a normal end; 0 before
	EndedBy string `json:"ended_by"` // "caller", "callee", "carrier", "administrator", "media", "session timer", "restart" …

	Attempts []CallAttempt `json:"attempts"` // devices and gateways that were tried, in order
	Quality  []CallQuality `json:"quality"`  // one entry a leg and stream, at the end
}

// CallParty is one side of a call.
type CallParty struct {
	User    UserID `json:"user,omitempty"` // 0: not one of ours
	Address string `json:"address"`        // verified: the address-of-record, or the number a carrier vouches for
	Shown   string `json:"shown"`          // number or address presented to the other side, after the plan; "" withheld
	Trunk   string `json:"trunk,omitempty"`
	Device  string `json:"device,omitempty"` // User-Agent
}

// CallAttempt is one device or gateway that was tried.
type CallAttempt struct {
	Target  string    `json:"target"` // "device sip:…", "gateway NAME sip:…"
	Trunk   string    `json:"trunk,omitempty"`
	Number  string    `json:"number,omitempty"` // as it was sent to the carrier
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	Status  int       `json:"status"` // SIP status, 408 also for a gateway that did not answer
	Cause   int       `json:"cause"`  // Q.850
	Reason  string    `json:"reason"`
}

// CallQuality is what was measured on one stream of one leg.
type CallQuality struct {
	Leg         string  `json:"leg"`  // "caller" or "callee"
	Kind        string  `json:"kind"` // "audio", "video"
	Codec       string  `json:"codec"`
	Security    string  `json:"security"` // SRTP suite, "" for plain RTP
	Received    uint64  `json:"received"` // packets
	Sent        uint64  `json:"sent"`
	Lost        uint64  `json:"lost"`
	LostRemote  uint64  `json:"lost_remote"`
	JitterMS    float64 `json:"jitter_ms"`
	RoundTripMS float64 `json:"round_trip_ms"`
	MOS         float64 `json:"mos"`
	Dropped     uint64  `json:"dropped"`
}

// CallQuery selects call records. The zero value selects all.
type CallQuery struct {
	User         UserID // on either side
	Text         string // part of an address or number on either side, or of what was dialled
	Trunk        string // a party's, or one that was tried
	Direction    string
	Since, Until time.Time // by Started
	Failed       bool      // only those that are over and were never answered
	CallID       string
	Before       int64 // ID to continue below, 0 for the newest
	Limit        int   // 0 means 50, at most 1000
}

// CallRecords keeps call records.
type CallRecords interface {
	// NewCallID gives the ID of a record that begins now; never the same twice.
	NewCallID() int64
	// SaveCall adds a record, or replaces all of it but CallID, TraceID,
	// Direction, Started and Caller.User. Relaxed, returns at once: it is lost
	// in a power cut perhaps, in a crash of the process only if that comes
	// within a second. The caller does not change r afterwards. Calls for one
	// record take effect in their order; every question below counts all of
	// them. Times are kept to the millisecond. When some 30,000 records wait
	// because the disk fails, those of further calls are dropped and counted.
	SaveCall(r *CallRecord)
	// OpenCalls returns the records without an end: after a start, those that
	// the last run left.
	OpenCalls(ctx context.Context) ([]CallRecord, error)
	Call(ctx context.Context, id int64) (CallRecord, error)
	// ListCalls returns records newest first.
	ListCalls(ctx context.Context, q CallQuery) ([]CallRecord, error)
	// ExportCalls calls fn for each record in the order of their IDs.
	ExportCalls(ctx context.Context, q CallQuery, fn func(*CallRecord) error) error
}

// CallSettings is what a user decides about calls to him, and what an
// administrator decides about calls by him. A user without has the zero value.
type CallSettings struct {
	User            UserID `json:"user"`
	DoNotDisturb    bool   `json:"do_not_disturb"`
	ForwardAlways   string `json:"forward_always"` // username, number, address or telephone number; "" for none
	ForwardBusy     string `json:"forward_busy"`
	ForwardNoAnswer string `json:"forward_no_answer"`
	ForwardOffline  string `json:"forward_offline"`
	NoAnswerAfter   int    `json:"no_answer_after"` // seconds, 0: 20
	Class           string `json:"class"`           // class of service, "" the default one
	Locked          bool   `json:"locked"`          // no calls to carriers but emergency calls
	MaxCalls        int    `json:"max_calls"`       // at the same time, 0: the server's limit
	Caller          string `json:"caller"`          // own number presented to carriers, "" the first one that the trunk knows
	Withhold        bool   `json:"withhold"`        // present no number
	Version         int64  `json:"version"`
}

// ClassOfService says where its users may call.
type ClassOfService struct {
	Name         string   `json:"name"`           // "default" holds for everybody without another
	Allow        []string `json:"allow"`          // E.164 prefixes ("+86", "+49176"); empty: everywhere
	Deny         []string `json:"deny"`           // the longest prefix of both lists decides
	MaxCalls     int      `json:"max_calls"`      // at the same time by one user, 0: no limit
	CallsPerHour int      `json:"calls_per_hour"` // by one user, 0: no limit
	Version      int64    `json:"version"`
}

// HuntGroup is an address that rings several users.
type HuntGroup struct {
	Name        string   `json:"name"` // user part of its address; unique among users and numbers
	Numbers     []string `json:"numbers"`
	DisplayName string   `json:"display_name"`
	Serial      bool     `json:"serial"`    // one after the other instead of all at once
	Members     []string `json:"members"`   // usernames or telephone numbers
	RingTime    int      `json:"ring_time"` // seconds a member (serial) or all (parallel) ring, 0: 20
	Overflow    string   `json:"overflow"`  // where to go when nobody answers, "" nowhere
	Version     int64    `json:"version"`
}

// Trunk is a way to a carrier: gateways of equal rights, numbers and limits.
type Trunk struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"` // unique; letters, digits and -
	Disabled bool   `json:"disabled"`
	Priority int    `json:"priority"` // of several trunks for a number the lowest is tried first

	Gateways []Gateway `json:"gateways"`

	// Username and Password answer the carrier's challenges; Realm limits them
	// to one. Password is kept encrypted and never shown.
	Username string `json:"username"`
	Realm    string `json:"realm"`
	Password string `json:"-"`
	Register bool   `json:"register"` // register at every gateway with that username
	Expires  int    `json:"expires"`  // seconds to ask for, 0: 600
	Domain   string `json:"domain"`   // host in From and the registration, "" the gateway's

	SRTP     string   `json:"srtp"`     // "forbid" (default), "prefer", "require"
	Networks []string `json:"networks"` // where the carrier's media comes from; empty: what its SDP says

	Numbers NumberPlan `json:"numbers"`

	MaxCalls     int      `json:"max_calls"` // at the same time, both directions; 0: no limit
	MaxIn        int      `json:"max_in"`
	MaxOut       int      `json:"max_out"`
	CallsPerHour int      `json:"calls_per_hour"`
	Prefixes     []string `json:"prefixes"` // E.164 prefixes that this trunk serves; empty: all
	Deny         []string `json:"deny"`     // and those it does not
	Version      int64    `json:"version"`
}

// Gateway is one peer of a trunk.
type Gateway struct {
	Name      string   `json:"name"`
	Address   string   `json:"address"`   // host or host:port; a host without port is looked up by RFC 3263
	Transport string   `json:"transport"` // "udp", "tcp" or "tls"
	Priority  int      `json:"priority"`  // lowest first
	Weight    int      `json:"weight"`    // share among equals, 0: 1
	Sources   []string `json:"sources"`   // networks its requests come from; empty: its address
	TLSName   string   `json:"tls_name"`  // name its certificate must have (mutual TLS), "" its host
	Probe     int      `json:"probe"`     // seconds between OPTIONS, 0: 30, -1 never
}

// NumberPlan is how a carrier writes numbers. Inside we write E.164 with +.
type NumberPlan struct {
	Country       string `json:"country"`       // "86"
	Area          string `json:"area"`          // "10": for numbers without area code, "" none are dialled so
	National      string `json:"national"`      // trunk prefix, "0"
	International string `json:"international"` // "00"
	// Out is how numbers are written to the carrier: "+e164", "e164",
	// "international" (00…), "national" (0… at home, 00… abroad). "" is "+e164".
	// From, Asserted and Diversion the same for these headers, "" like Out.
	Out       string `json:"out"`
	From      string `json:"from"`
	Asserted  string `json:"asserted"` // "none": no P-Asserted-Identity
	Diversion string `json:"diversion"`
	In        string `json:"in"` // how numbers of the carrier without + are meant: "e164", "national", "" by their prefix

	// Inward maps the carrier's numbers for us, longest first.
	Inward []Inward `json:"inward"`
	// Default is presented when the caller has no number of this trunk; "" refuses such calls.
	Default string `json:"default"`
	// Emergency numbers as dialled: no limit, lock or class stops them.
	Emergency []string `json:"emergency"`
}

// Inward is where a call from the carrier goes.
type Inward struct {
	Number string `json:"number"` // E.164, or a prefix with * at the end
	To     string `json:"to"`     // username, hunt group or number of ours; with a prefix * stands for the rest
}

// CallSetup keeps what steers calls. Changes are Durable; ErrConflict when
// Version is not the stored one (0 for a new record). Each Set returns the
// record with its new Version. Lists are in the order of their names.
type CallSetup interface {
	AllCallSettings(ctx context.Context) ([]CallSettings, error)
	// SetCallSettings returns ErrNotFound without that user, ErrInvalid without
	// that class. The settings go with the user.
	SetCallSettings(ctx context.Context, s CallSettings) (CallSettings, error)

	Classes(ctx context.Context) ([]ClassOfService, error)
	SetClass(ctx context.Context, c ClassOfService) (ClassOfService, error)
	// RemoveClass returns ErrConflict while a user has the class.
	RemoveClass(ctx context.Context, name string) error

	HuntGroups(ctx context.Context) ([]HuntGroup, error)
	// SetHuntGroup returns ErrConflict when the name or a number belongs to a
	// user, in whatever domain, or to another group. Users cannot take those of
	// a group either. Upper and lower case are the same.
	SetHuntGroup(ctx context.Context, g HuntGroup) (HuntGroup, error)
	RemoveHuntGroup(ctx context.Context, name string) error

	// Trunks returns them with their passwords.
	Trunks(ctx context.Context) ([]Trunk, error)
	// SetTrunk with ID 0 adds. An empty Password keeps the stored one, an empty
	// Username forgets it.
	SetTrunk(ctx context.Context, t Trunk) (Trunk, error)
	RemoveTrunk(ctx context.Context, id int64) error
}
