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
	Pinned     *time.Time `json:"pinned,omitempty"`
	Mute       MuteMode   `json:"mute,omitempty"`
	MuteUntil  *time.Time `json:"mute_until,omitempty"` // nil: for good
	Unread     bool       `json:"marked_unread,omitempty"`
	Labels     []string   `json:"labels,omitempty"`
}

// ConversationRow is a line of a user's list.
type ConversationRow struct {
	Conversation ConversationID
	Group        GroupID // or
	Peer         UserID
	State        ConversationState
	HeadSeq      int64
	Last         *Message // newest that the user may see, nil for none
	UnreadCount  int64    // written by others after the read position
	Mentions     int64    // of them addressing him
	Changed      int64    // the stamp of its last change, as in Sync
}

// StateChange alters what is not nil.
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

// Conversations are the lists of users.
//
// Stamps are GIDs: every message and every change of state takes one, so a stamp
// tells what a device has not seen.
type Conversations interface {
	// ListConversations returns rows with what is pinned first, then newest first;
	// before is the last row's place, nil for the beginning.
	ListConversations(ctx context.Context, u UserID, before *ConversationRow, limit int) ([]ConversationRow, error)
	// SyncConversations returns what changed after a stamp, oldest change first. It
	// costs what changed, not what exists.
	SyncConversations(ctx context.Context, u UserID, since int64, limit int) (SyncPage, error)
	ConversationOf(ctx context.Context, u UserID, c ConversationID) (ConversationRow, error)
	ConversationWith(ctx context.Context, u, peer UserID) (ConversationID, error)
	// ChangeConversation is Durable and returns the row as it is now.
	ChangeConversation(ctx context.Context, u UserID, c ConversationID, s StateChange) (ConversationRow, error)
	// Messages returns what the user may see of a conversation: before seq (0:
	// the newest) newest first, or after seq oldest first.
	MessagesBefore(ctx context.Context, u UserID, c ConversationID, seq int64, limit int) ([]Message, error)
	MessagesAfter(ctx context.Context, u UserID, c ConversationID, seq int64, limit int) ([]Message, error)
	// HideMessage hides one message from one user; the archive keeps it.
	HideMessage(ctx context.Context, u UserID, gid int64) error
	SetStar(ctx context.Context, u UserID, s Star, on bool) error
	Stars(ctx context.Context, u UserID, before int64, limit int) ([]Star, error)
	// ReadBy tells how far each member of a group has read and received.
	ReadBy(ctx context.Context, c ConversationID) (map[UserID]int64, error)
}
