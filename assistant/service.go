package assistant

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
)

// Conversations is what the assistant needs of [store.Conversations].
type Conversations interface {
	ListConversations(ctx context.Context, u store.UserID, before *store.ConversationRow, limit int) ([]store.ConversationRow, error)
	ConversationOf(ctx context.Context, u store.UserID, c store.ConversationID) (store.ConversationRow, error)
	ConversationWith(ctx context.Context, u, peer store.UserID) (store.ConversationID, error)
	ChangeConversation(ctx context.Context, u store.UserID, c store.ConversationID, s store.StateChange) (store.ConversationRow, error)
	MessagesBefore(ctx context.Context, u store.UserID, c store.ConversationID, seq int64, limit int) ([]store.Message, error)
}

// Users finds people.
type Users interface {
	User(ctx context.Context, id store.UserID) (store.User, error)
	UserByAddress(ctx context.Context, user, domain string) (store.User, error)
	ListUsers(ctx context.Context, match string, after store.UserID, limit int) ([]store.User, error)
}

// Messages finds what is pinned.
type Messages interface {
	Message(ctx context.Context, gid int64) (store.Message, error)
}

var (
	_ Conversations = store.Conversations(nil)
	_ Users         = store.Users(nil)
	_ Messages      = store.Archive(nil)
)

// Config is what a Service is made of.
type Config struct {
	Groups        *group.Service
	Conversations Conversations
	Users         Users
	Messages      Messages

	Self     store.UserID     // the account that commands are sent to: nobody to be found, added or listed
	Language string           // "zh" (default) or "en"
	Now      func() time.Time // nil: time.Now. Its location is that of times in answers.
	Log      *slog.Logger     // nil discards
}

// Service answers commands. It keeps nothing and may be used by many at once.
type Service struct {
	cfg      Config
	commands []command
	names    map[string]named
	words    *words // of the server's language
	chinese  *words
}

// named is a command under one of its names.
type named struct {
	command *command
	words   *words // of the language of the name
}

// New makes a Service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: c, commands: commands(), names: map[string]named{}, chinese: chinese()}
	s.words = s.chinese
	if strings.HasPrefix(strings.ToLower(c.Language), "en") {
		s.words = english()
	}
	for i := range s.commands {
		cmd := &s.commands[i]
		for _, n := range cmd.english {
			s.names[n] = named{cmd, s.words}
		}
		for _, n := range cmd.chinese {
			s.names[n] = named{cmd, s.chinese}
		}
	}
	return s
}

// Is tells whether a text is a command. Other texts that begin with a slash are
// not: people write paths.
func (s *Service) Is(text string) bool {
	_, _, ok := s.parse(text)
	return ok
}

// parse finds the command in a text, and what follows its name.
func (s *Service) parse(text string) (cmd named, rest string, ok bool) {
	name, rest, ok := split(text)
	if !ok {
		return named{}, "", false
	}
	if cmd, ok = s.names[name]; ok {
		return cmd, rest, true
	}
	head, number, ok := stuckNumber(name)
	if !ok {
		return named{}, "", false
	}
	cmd, ok = s.names[head]
	return cmd, strings.TrimSpace(number + " " + rest), ok
}

// Do does what by has written, in a group or, when in is nil, to the assistant
// itself, and returns the answer. It waits for commits.
func (s *Service) Do(ctx context.Context, by store.User, in *group.Snapshot, text string) string {
	cmd, rest, ok := s.parse(text)
	if !ok {
		return s.greet(text)
	}
	r := &request{Service: s, ctx: ctx, by: by, words: cmd.words, command: cmd.command, in: in, rest: rest}
	answer, err := r.run()
	if err != nil {
		return r.explain(err)
	}
	return answer
}

// greet answers what is no command.
func (s *Service) greet(text string) string {
	w := s.words
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		w = s.chinese
	}
	if name, _, ok := split(text); ok {
		return w.say(w.unknownCommand, oneLine(name, maxShownName), w.nameOf(s.names["help"].command))
	}
	var all []string
	for i := range s.commands {
		all = append(all, "/"+w.nameOf(&s.commands[i]))
	}
	return w.say(w.greeting, strings.Join(all, " "), w.nameOf(s.names["help"].command))
}

// maxShownName is how much of a name that means nothing is repeated.
const maxShownName = 30

// refusal is an answer that says why something was not done.
type refusal string

func (r refusal) Error() string { return string(r) }

// explain is the answer to a failure.
func (r *request) explain(err error) string {
	var said refusal
	var nobody noSuch
	var denied *group.Denied
	switch {
	case errors.As(err, &said), errors.As(err, &nobody), errors.As(err, &denied):
		return err.Error()
	case errors.Is(err, store.ErrNotFound):
		return r.words.gone
	case errors.Is(err, store.ErrInvalid):
		r.cfg.Log.Debug("command refused", "command", r.command.english[0], "user", r.by.ID, "err", err)
		return r.words.impossible
	case errors.Is(err, store.ErrUnknown):
		r.cfg.Log.Warn("command of unknown outcome", "command", r.command.english[0], "user", r.by.ID, "err", err)
		return r.words.unsure
	}
	r.cfg.Log.Error("command failed", "command", r.command.english[0], "user", r.by.ID, "err", err)
	return r.words.later
}
