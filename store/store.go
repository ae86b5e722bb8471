package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors that callers tell apart. Implementations wrap them.
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("already exists")    // unique name or number taken
	ErrUnavailable = errors.New("store unavailable") // queue full, disk full, locked: try again later, nothing was done
	ErrUnknown     = errors.New("outcome unknown")   // commit failed half way: neither done nor not done may be assumed
	ErrInvalid     = errors.New("invalid")           // the record breaks a rule; the text says which
)

// Users are the accounts.
type Users interface {
	// AddUser gives u its ID; c is stored with it when not nil. ErrConflict
	// names the taken username or number.
	AddUser(ctx context.Context, u User, c *Credential) (User, error)
	// UpdateUser replaces everything but ID, Username, Domain, Created.
	UpdateUser(ctx context.Context, u User) (User, error)
	RemoveUser(ctx context.Context, id UserID) error // with its credentials, devices and bindings; the archive keeps its messages and its name
	User(ctx context.Context, id UserID) (User, error)
	// AddressOf returns the address-of-record of a user, also of one who was
	// removed: the archive names them.
	AddressOf(ctx context.Context, id UserID) (string, error)
	// People returns users by their numbers in one reading, for lists that name
	// many; also those who were removed (without numbers to dial). Who never was is
	// left out.
	People(ctx context.Context, ids []UserID) (map[UserID]User, error)
	// UserByAddress finds by username or number.
	UserByAddress(ctx context.Context, user, domain string) (User, error)
	// ListUsers returns up to limit users with ID > after whose name, number or
	// display name contains match ("" for all).
	ListUsers(ctx context.Context, match string, after UserID, limit int) ([]User, error)
	// ImportUsers adds or updates all, or none.
	ImportUsers(ctx context.Context, users []User, cs []*Credential) (added, updated int, err error)
}

// Credentials prove users.
type Credentials interface {
	Credential(ctx context.Context, username, realm string) (Credential, error)
	SetCredential(ctx context.Context, c Credential) error
}

// Devices of users.
type Devices interface {
	// TouchDevice finds the device or makes it and updates what it told of
	// itself. A new one has started its cursors (Archive.StartCursors) in the
	// same commit. ErrConflict when it has been revoked.
	TouchDevice(ctx context.Context, d Device) (Device, error)
	ListDevices(ctx context.Context, u UserID) ([]Device, error) // UserID 0: all
	RevokeDevice(ctx context.Context, id DeviceID) (Device, error)
}

// Bindings are the location table. The registrar keeps the truth in memory;
// this is what survives a restart.
type Bindings interface {
	// SaveBindings is Relaxed and returns at once. remove names bindings by
	// User, Instance, RegID and (without instance) Contact.
	SaveBindings(save, remove []Binding)
	AllBindings(ctx context.Context) ([]Binding, error)
}

// Archive keeps messages.
type Archive interface {
	// Append accepts m durably; m may not change until done is called. done is
	// called once, from a goroutine of the store, after the commit; it must not
	// block. When the queue is full, Append itself calls it with ErrUnavailable
	// before it returns. All other calls of done come in the order of the Append
	// calls.
	Append(m *NewMessage, done func(Accepted, error))
	// Pending returns messages for the device after its cursors, oldest first,
	// over all its conversations: at most limit. Every earlier Delivered counts,
	// written or not. What the device sent itself is not among them.
	Pending(ctx context.Context, u UserID, d DeviceID, limit int) ([]Message, error)
	// Delivered moves the device's cursor in the conversation to seq and keeps
	// the trace. Relaxed, returns at once, monotonic.
	Delivered(c ConversationID, seq int64, d Delivery)
	// StartCursors makes a device that is new begin at the present: it is not
	// sent what was written before it existed, except what no device of the
	// user has received yet, and the last replay messages of each conversation
	// that the user can see (0 none; no receipts). The first call for a device
	// decides, later ones do nothing. It comes before the first Pending.
	StartCursors(ctx context.Context, u UserID, d DeviceID, replay int) error

	Message(ctx context.Context, gid int64) (Message, error)
	Deliveries(ctx context.Context, gid int64) ([]Delivery, error)
	// Page returns up to limit messages of kind text in the conversation of two
	// users before seq (0: the newest), newest first.
	Page(ctx context.Context, a, b UserID, before int64, limit int) ([]Message, error)
	// ConversationPage is Page for any conversation, that of a group for one.
	ConversationPage(ctx context.Context, c ConversationID, before int64, limit int) ([]Message, error)
	// Named returns the oldest message with that MessageID among the last
	// NamedWithin of a conversation: what a receipt from a group is about, which
	// does not say who wrote it. Who uses the name of somebody else's message
	// again gets no receipts for that.
	Named(ctx context.Context, c ConversationID, messageID string) (Message, error)
	// Search returns messages newest first.
	Search(ctx context.Context, q SearchQuery) (SearchResult, error)
	// Export calls fn for each message in GID order.
	Export(ctx context.Context, q SearchQuery, fn func(*Message) error) error
}

// NamedWithin is how many messages of a conversation Archive.Named looks at.
const NamedWithin = 4096

// SearchQuery selects messages. The zero value selects all.
type SearchQuery struct {
	// Viewer narrows everything to what this user sees: his conversations with
	// others and those of groups while he is in them, without what he has cleared
	// or hidden, and no receipts. 0 is an administrator, who sees all.
	Viewer       UserID
	Text         string  // Chinese or Latin, 1 character and more; all words must occur
	User         UserID  // sender or recipient
	Peer         UserID  // and the other one
	Group        GroupID // in the conversation of this group
	Since, Until time.Time
	Kind         Kind // 0: all
	CallID       string
	MessageID    string
	Before       int64 // GID to continue below, 0 for the newest
	Limit        int   // 0 means 50, at most 1000
}

// SearchResult is a page of messages. Partial tells that a bounded scan was cut
// short (without the full-text index, or of what a Viewer does not see).
type SearchResult struct {
	Messages []Message
	Partial  bool
}

// Audit is the log of changes.
type Audit interface {
	Record(ctx context.Context, e AuditEntry) error
	ListAudit(ctx context.Context, before int64, limit int) ([]AuditEntry, error)
}

// Tokens open the API over HTTPS: the administration, or what is one user's own.
type Tokens interface {
	AddToken(ctx context.Context, t Token) (Token, error)
	// TokenByHash returns ErrNotFound when the token is revoked or expired, or its
	// user disabled or removed.
	TokenByHash(ctx context.Context, hash []byte) (Token, error)
	ListTokens(ctx context.Context) ([]Token, error)
	RevokeToken(ctx context.Context, id int64) error
}

// Settings are secrets and values that the program makes for itself.
type Settings interface {
	// Secret returns the secret of that name, made of n random bytes and kept
	// encrypted at its first use.
	Secret(ctx context.Context, name string, n int) ([]byte, error)
}

// SyncSecret is the name of the one secret that a backup does not hold: a store
// that was restored makes another, so that what was signed with it for the store
// before does not pass in the one that has lost what came after the backup.
const SyncSecret = "sync"

// Maintenance is what administrators do with the whole.
type Maintenance interface {
	// Backup writes a consistent copy while the server runs.
	Backup(ctx context.Context, path string) error
	// Verify checks the integrity of the database and the rules of the archive
	// (dense seq, no double dedup key, cursors within range), of groups and lists, of the call records and
	// of what steers calls, and writes what it finds.
	Verify(ctx context.Context, w io.Writer) (problems int, err error)
	Stats(ctx context.Context) (Stats, error)
	// Healthy tells why durable writes fail at the moment, nil when they do not.
	Healthy() error
}

// Stats describe the store for metrics and status pages.
type Stats struct {
	Users, Devices, Messages int64
	Bytes                    int64 // of the database files
	Queue                    int   // operations waiting for the writer
	IndexLag                 int64 // messages not yet searchable
}

// Store is everything; only cmd/sparkle sees it whole.
type Store interface {
	Users
	Credentials
	Devices
	Bindings
	Archive
	CallRecords
	CallSetup
	Groups
	Units
	Conversations
	Audit
	Tokens
	Settings
	Maintenance
	// Close writes what waits and closes. Append after Close fails.
	Close() error
}
