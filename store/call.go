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

// CallAttempt is one device or gateway that was tried, or, with Status 181, a
// place where the call was diverted to.
type CallAttempt struct {
	Target  string    `json:"target"` // "device sip:…", "gateway NAME sip:…", "forward busy of ADDRESS to sip:…"
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
	// SaveCall adds or replaces a record. Relaxed, returns at once: it is lost
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
	// ListCalls returns records newest first. context.DeadlineExceeded when Text
	// would have to be looked for in too many: narrow Since.
	ListCalls(ctx context.Context, q CallQuery) ([]CallRecord, error)
	// ExportCalls calls fn for each record in the order of their IDs.
	ExportCalls(ctx context.Context, q CallQuery, fn func(*CallRecord) error) error
}

// The doc tags of what follows are its description in REST too.

// CallSettings is what a user decides about calls to him, and what an
// administrator decides about calls by him. A user without has the zero value.
type CallSettings struct {
	User            UserID `json:"user,omitempty"`
	DoNotDisturb    bool   `json:"do_not_disturb,omitempty" doc:"No device rings: calls go where busy or unanswered ones go."`
	ForwardAlways   string `json:"forward_always,omitempty" doc:"Username, hunt group, address or telephone number; empty for none."`
	ForwardBusy     string `json:"forward_busy,omitempty" doc:"The same while the user is busy."`
	ForwardNoAnswer string `json:"forward_no_answer,omitempty" doc:"The same for calls that are not answered in time."`
	ForwardOffline  string `json:"forward_offline,omitempty" doc:"The same while no device is there."`
	NoAnswerAfter   int    `json:"no_answer_after,omitempty" doc:"Seconds until a call counts as not answered, 0: 20."`
	Class           string `json:"class,omitempty" doc:"Class of service, empty: the default one."`
	Locked          bool   `json:"locked,omitempty" doc:"No calls to carriers but emergency calls."`
	MaxCalls        int    `json:"max_calls,omitempty" doc:"At the same time, 0: the server's limit."`
	Caller          string `json:"caller,omitempty" doc:"Own number presented to carriers, empty: the first one that the trunk knows."`
	Withhold        bool   `json:"withhold,omitempty" doc:"Present no number to carriers."`
	Version         int64  `json:"version,omitempty"`
}

// ClassOfService says where its users may call.
type ClassOfService struct {
	Name         string   `json:"name,omitempty" doc:"The class default holds for everybody without another."`
	Allow        []string `json:"allow,omitempty" doc:"E.164 prefixes such as +86 or +49176; empty: everywhere."`
	Deny         []string `json:"deny,omitempty" doc:"The longest prefix of both lists decides."`
	MaxCalls     int      `json:"max_calls,omitempty" doc:"At the same time by one user, 0: no limit."`
	CallsPerHour int      `json:"calls_per_hour,omitempty" doc:"By one user, 0: no limit."`
	Version      int64    `json:"version,omitempty"`
}

// HuntGroup is an address that rings several users.
type HuntGroup struct {
	Name        string   `json:"name,omitempty" doc:"User part of its address; unique among users and numbers."`
	Numbers     []string `json:"numbers,omitempty"`
	DisplayName string   `json:"display_name,omitempty"`
	Serial      bool     `json:"serial,omitempty" doc:"One after the other instead of all at once."`
	Members     []string `json:"members,omitempty" doc:"Usernames or telephone numbers."`
	RingTime    int      `json:"ring_time,omitempty" doc:"Seconds a member (serial) or all (parallel) ring, 0: 20."`
	Overflow    string   `json:"overflow,omitempty" doc:"Where to go when nobody answers, empty: nowhere."`
	Version     int64    `json:"version,omitempty"`
}

// Trunk is a way to a carrier: gateways of equal rights, numbers and limits.
type Trunk struct {
	ID       int64  `json:"id,omitempty"`
	Name     string `json:"name,omitempty" doc:"Unique; letters, digits and -."`
	Disabled bool   `json:"disabled,omitempty"`
	Priority int    `json:"priority,omitempty" doc:"Of several trunks for a number the lowest is tried first."`

	Gateways []Gateway `json:"gateways,omitempty" doc:"Peers of equal rights."`

	// Password is kept encrypted and never shown.
	Username string `json:"username,omitempty" doc:"Answers the carrier's challenges, with the password."`
	Realm    string `json:"realm,omitempty" doc:"Answer the challenges of this realm only."`
	Password string `json:"-"`
	Register bool   `json:"register,omitempty" doc:"Register at every gateway with that username."`
	Expires  int    `json:"expires,omitempty" doc:"Seconds to ask for, 0: 600."`
	Domain   string `json:"domain,omitempty" doc:"Host in From and the registration, empty: the gateway's."`

	SRTP     string   `json:"srtp,omitempty" doc:"forbid (default), prefer or require."`
	Networks []string `json:"networks,omitempty" doc:"Where the carrier's media comes from; empty: what its SDP says."`

	Numbers NumberPlan `json:"numbers,omitzero"`

	MaxCalls     int      `json:"max_calls,omitempty" doc:"At the same time, both directions; 0: no limit."`
	MaxIn        int      `json:"max_in,omitempty" doc:"Of these from the carrier; 0: no limit."`
	MaxOut       int      `json:"max_out,omitempty" doc:"Of these to the carrier; 0: no limit."`
	CallsPerHour int      `json:"calls_per_hour,omitempty" doc:"To the carrier; 0: no limit."`
	Prefixes     []string `json:"prefixes,omitempty" doc:"E.164 prefixes that this trunk serves; empty: all."`
	Deny         []string `json:"deny,omitempty" doc:"E.164 prefixes that it does not serve."`
	Version      int64    `json:"version,omitempty"`
}

// Gateway is one peer of a trunk.
type Gateway struct {
	Name      string   `json:"name"`
	Address   string   `json:"address" doc:"Host or host:port; a host without port is looked up by RFC 3263."`
	Transport string   `json:"transport,omitempty" doc:"udp (default), tcp or tls."`
	Priority  int      `json:"priority,omitempty" doc:"Lowest first."`
	Weight    int      `json:"weight,omitempty" doc:"Share among equals, 0: 1."`
	Sources   []string `json:"sources,omitempty" doc:"Networks its requests come from; empty: its address."`
	TLSName   string   `json:"tls_name,omitempty" doc:"Name its certificate must have (mutual TLS), empty: its host."`
	Probe     int      `json:"probe,omitempty" doc:"Seconds between OPTIONS, 0: 30, -1 never."`
}

// NumberPlan is how a carrier writes numbers. Inside we write E.164 with +.
type NumberPlan struct {
	Country       string `json:"country,omitempty" doc:"Country code such as 86."`
	Area          string `json:"area,omitempty" doc:"Area code such as 10 for numbers dialled without one, empty: none are."`
	National      string `json:"national,omitempty" doc:"Prefix of national numbers, empty: 0; none where they have no prefix."`
	International string `json:"international,omitempty" doc:"Prefix of international numbers, empty: 00; none where they have no prefix."`
	Out           string `json:"out,omitempty" doc:"How numbers are written to the carrier: +e164 (default), e164, international (00…) or national (0… at home, 00… abroad)."`
	From          string `json:"from,omitempty" doc:"The same for From, empty: as out."`
	Asserted      string `json:"asserted,omitempty" doc:"The same for P-Asserted-Identity; none: no such header."`
	Diversion     string `json:"diversion,omitempty" doc:"The same for Diversion; none: no such header."`
	In            string `json:"in,omitempty" doc:"How numbers of the carrier without + are meant: e164 or national; empty: by their prefix."`

	Inward    []Inward `json:"inward,omitempty" doc:"The carrier's numbers for us; the longest that fits counts."`
	Default   string   `json:"default,omitempty" doc:"Presented when the caller has no number of this trunk; empty refuses such calls."`
	Emergency []string `json:"emergency,omitempty" doc:"Emergency numbers as dialled: no limit, lock or class stops them."`
}

// Inward is where a call from the carrier goes.
type Inward struct {
	Number string `json:"number" doc:"E.164, or a prefix with * at the end."`
	To     string `json:"to" doc:"Username, hunt group or number of ours; with a prefix * stands for the rest."`
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
