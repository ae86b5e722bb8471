package store

import (
	"context"
	"time"
)

// MuteMode is what a user wants to hear of a conversation.
type MuteMode string

const (
	MuteNone     MuteMode = ""
	MuteMentions MuteMode = "mentions" // only what addresses him
	MuteAll      MuteMode = "all"
)

// ConversationState is what one user has decided about one conversation; it is
// his alone, and the same on all his devices.
type ConversationState struct {
	ReadSeq    int64      `json:"read_seq"`         // he has read up to here; only grows
	ClearedSeq int64      `json:"cleared_seq"`      // he does not see what is up to here; only grows
	Hidden     bool       `json:"hidden,omitempty"` // not in the list until something new comes
	Pinned     *time.Time `json:"pinned,omitempty"` // since when
	Mute       MuteMode   `json:"mute,omitempty"`
	MuteUntil  *time.Time `json:"mute_until,omitempty"`    // nil: for good
	Unread     bool       `json:"marked_unread,omitempty"` // until he reads
	Labels     []string   `json:"labels,omitempty"`
}

// MaxUnread is how many of the newest messages of a conversation are counted in a
// row.
const MaxUnread = 1000

// ConversationRow is a line of a user's list.
type ConversationRow struct {
	Conversation ConversationID
	Group        GroupID // or
	Peer         UserID
	Left         bool // he is no longer in the group; HeadSeq is where he left
	State        ConversationState
	HeadSeq      int64
	Last         *Message // newest with a Text that the user may see, nil for none
	// UnreadCount is how many messages of kind text, with a Text, others have written
	// after the read position and after the user's own last message, among the last
	// MaxUnread.
	UnreadCount int64
	Mentions    int64 // of them addressing him, or all
	Newest      int64 // GID of the newest message, or the stamp of his coming or going: the order of the list
	Changed     int64 // the stamp of its last change, as in Sync
}

// StateChange alters what is not nil. Reading ends Unread, unless that is set
// with it; Mute without MuteUntil is for good.
type StateChange struct {
	ReadSeq    *int64
	ClearedSeq *int64
	Hidden     *bool
	Pinned     *bool
	Mute       *MuteMode
	MuteUntil  *time.Time
	Unread     *bool
	Labels     []string // nil: as it is
}

// Star is a message that a user has marked.
type Star struct {
	GID  int64     `json:"gid"`
	At   time.Time `json:"at"`
	Note string    `json:"note,omitempty"`
}

// SyncPage is what changed for a user.
type SyncPage struct {
	Rows []ConversationRow
	Next int64 // the stamp to go on from
	More bool  // there is more behind Next already
}

// Changed names whose lists a commit has changed: those of users, and those of
// the members of groups. Somebody may be named although nothing is new for him.
type Changed struct {
	Users  []UserID
	Groups []GroupID
}

// Conversations are the lists of users: of what is between two and of groups,
// never of receipts. Whoever is not in a conversation gets ErrNotFound.
//
// Stamps are GIDs: every message and every change of state takes one, so a stamp
// tells what a device has not seen.
type Conversations interface {
	// ListConversations returns rows with what is pinned first, then newest first,
	// and what is hidden not at all; before is the last row of the page before, nil
	// for the beginning.
	ListConversations(ctx context.Context, u UserID, before *ConversationRow, limit int) ([]ConversationRow, error)
	// SyncConversations returns what changed after a stamp, oldest change first,
	// hidden or not. It costs what changed, not what exists.
	SyncConversations(ctx context.Context, u UserID, since int64, limit int) (SyncPage, error)
	// SyncStamp is the stamp of the present: who takes it before he reads the list
	// goes on from it.
	SyncStamp() int64
	ConversationOf(ctx context.Context, u UserID, c ConversationID) (ConversationRow, error)
	ConversationWith(ctx context.Context, u, peer UserID) (ConversationID, error)
	// ChangeConversation is Durable and returns the row as it is now. Positions
	// beyond the end mean the end.
	ChangeConversation(ctx context.Context, u UserID, c ConversationID, s StateChange) (ConversationRow, error)
	// ReadUpTo is ChangeConversation with ReadSeq alone, for what devices report:
	// Relaxed, returns at once, monotonic. What the user does not see, or does not
	// exist, is ignored.
	ReadUpTo(u UserID, c ConversationID, seq int64)
	// MessagesBefore and MessagesAfter return what the user may see of a
	// conversation: before seq (0: the newest) newest first, or after seq oldest
	// first.
	MessagesBefore(ctx context.Context, u UserID, c ConversationID, seq int64, limit int) ([]Message, error)
	MessagesAfter(ctx context.Context, u UserID, c ConversationID, seq int64, limit int) ([]Message, error)
	// MessagesOf returns some messages in the order of gids, without those that the
	// user does not see or has cleared or hidden.
	MessagesOf(ctx context.Context, u UserID, gids []int64) ([]Message, error)
	// HideMessage hides one message from one user; the archive keeps it.
	HideMessage(ctx context.Context, u UserID, gid int64) error
	SetStar(ctx context.Context, u UserID, s Star, on bool) error
	// Stars returns those below a GID (0: all), newest message first.
	Stars(ctx context.Context, u UserID, before int64, limit int) ([]Star, error)
	// ReadBy tells how far users have read a conversation.
	ReadBy(ctx context.Context, c ConversationID) (map[UserID]int64, error)
	// Watch adds a function that is told after each commit what it changed, when
	// SyncConversations has it already. It must not block: the store waits for it,
	// and uses the slices again.
	Watch(fn func(Changed))
}
