package store

import (
	"encoding/hex"
	"time"
)

// UserID, DeviceID and ConversationID are dense positive numbers given by the
// store. ConversationID is below 2^31.
type (
	UserID         int64
	DeviceID       int64
	ConversationID int64
)

// User is an account of the organisation.
type User struct {
	ID          UserID    `json:"id"`
	Username    string    `json:"username"` // unique in its domain, canonical lower case; the user part of the address-of-record
	Domain      string    `json:"domain"`
	DisplayName string    `json:"display_name"`
	Numbers     []string  `json:"numbers,omitempty"` // further user parts that mean this user (+8610…, 1001); unique in the domain
	Picture     string    `json:"picture,omitempty"` // name of an uploaded picture, "": none
	Disabled    bool      `json:"disabled"`
	Admin       bool      `json:"admin"`
	Created     time.Time `json:"created"`
	Version     int64     `json:"version"` // grows with each change
}

// AOR is the address-of-record without its scheme: alice@example.com.
func (u User) AOR() string { return u.Username + "@" + u.Domain }

// Credential is what proves a user: the HA1 hashes of RFC 7616, raw bytes.
// They are kept encrypted in the database.
type Credential struct {
	User     UserID
	Username string // the digest username
	Realm    string
	MD5      []byte // 16 bytes, nil when MD5 is not allowed for this user
	SHA256   []byte // 32 bytes
	Disabled bool
	Version  int64
}

// Device is one softphone or phone of a user, known by its +sip.instance or,
// without one, by where it registered from.
type Device struct {
	ID        DeviceID   `json:"id"`
	User      UserID     `json:"user"`
	Instance  string     `json:"instance"` // "urn:uuid:…", or "contact:" and the address and kind of a phone that has none
	UserAgent string     `json:"user_agent"`
	Accept    []string   `json:"accept,omitempty"` // media types it said it can show
	Specs     string     `json:"specs,omitempty"`  // +org.linphone.specs
	FirstSeen time.Time  `json:"first_seen"`
	LastSeen  time.Time  `json:"last_seen"`
	Revoked   *time.Time `json:"revoked,omitempty"`
}

// Binding is a Contact bound to an address-of-record (RFC 3261 §10.3).
type Binding struct {
	User     UserID
	Device   DeviceID
	Instance string // as in Device
	RegID    int    // RFC 5626; 0 without outbound
	Contact  string // the Contact URI as registered
	Params   string // its header parameters, as text, without expires and q
	Path     []string
	Q        int // 0 … 1000
	CallID   string
	CSeq     uint32
	Expires  time.Time
	// Received is the transport and remote address it came from
	// ("udp 192.0.2.1:5060"); a binding over a connection is unreachable until
	// its device registers again.
	Received  string
	Local     string // the listener's address, for UDP
	UserAgent string
}

// Kind says what an archived message is.
type Kind int8

const (
	KindText    Kind = 1 // anything a person wrote, of whatever type
	KindReceipt Kind = 2 // an IMDN (RFC 5438); kept apart from what people wrote
	KindNotice  Kind = 3 // what the server says in a group: who came, who left
)

// NewMessage is a message to be accepted.
type NewMessage struct {
	Kind     Kind
	From, To UserID // a conversation of two; From == To is a note to oneself
	// Group with a text or notice: To is 0, the message is in the group's
	// conversation. With a receipt: of From to To, about a message of the group.
	Group       GroupID
	Mentions    []UserID // who is addressed by @name; 0 is everybody
	FromDevice  DeviceID
	Dedup       [16]byte // the same key of the same sender within 7 days is the same message; zero: never
	CallID      string   // of the MESSAGE, kept in every delivery
	MessageID   string   // imdn.Message-ID, "" without CPIM
	ContentType string
	Encoding    string // Content-Encoding as received
	Headers     string // header lines kept for delivery ("Subject: …\r\n")
	Body        []byte // as received
	Text        string // what search indexes and lists show and count; "" for none (a reaction)
	TraceID     string
	Source      string // transport and address it came from, and the User-Agent, for the trace
}

// Accepted is the place of a message in the archive.
type Accepted struct {
	GID          int64 // unique over all, grows with time
	Conversation ConversationID
	Seq          int64 // dense in the conversation, from 1
	At           time.Time
	Duplicate    bool // it was there before; the place is the first one's
}

// Message is an archived message.
type Message struct {
	NewMessage
	Accepted
}

// Delivery is what became of one message at one device.
type Delivery struct {
	GID       int64     `json:"gid"`
	Device    DeviceID  `json:"device"`
	Status    int       `json:"status"`    // SIP status of the device, 0 for one that was not asked (Rendering says why)
	Rendering string    `json:"rendering"` // "original", "text", "skipped: receipt" …
	At        time.Time `json:"at"`
}

// GIDString is how a message is named outside: 16 hex digits.
func GIDString(gid int64) string {
	var b [8]byte
	for i := range b {
		b[7-i] = byte(gid >> (8 * i))
	}
	return hex.EncodeToString(b[:])
}

// AuditEntry records who changed what.
type AuditEntry struct {
	ID     int64     `json:"id"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`  // "unix:root", "token:ci", "user:alice@…"
	Action string    `json:"action"` // "user.add"
	Object string    `json:"object"`
	Detail string    `json:"detail"` // JSON, never a secret
}

// Token is an API token; only its hash is kept.
type Token struct {
	ID       int64      `json:"id"`
	Name     string     `json:"name"`
	User     UserID     `json:"-"` // whose own it opens; 0: the administration
	Hash     []byte     `json:"-"` // SHA-256
	Created  time.Time  `json:"created"`
	Expires  *time.Time `json:"expires,omitempty"`
	LastUsed *time.Time `json:"last_used,omitempty"`
	Revoked  *time.Time `json:"revoked,omitempty"`
}
