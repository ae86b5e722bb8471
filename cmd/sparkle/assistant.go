package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sparkleim/sparkle/assistant"
	"github.com/sparkleim/sparkle/store"
)

// assistantStore keeps the account of the assistant.
type assistantStore interface {
	store.Users
	store.Credentials
}

// buildAssistant makes the assistant and, at the first start, its account. Where
// the name belongs to somebody else, or the account is disabled, there is none.
func (s *Server) buildAssistant() error {
	self, err := assistantAccount(context.Background(), s.store, s.domain(), s.cfg.Language)
	switch {
	case errors.Is(err, store.ErrConflict):
		s.log.Warn("no text commands: the name of their account is taken; rename or remove that one and start again",
			"name", assistantName, "err", err)
		return nil
	case err != nil:
		return fmt.Errorf("account of the assistant: %w", err)
	case self.Disabled:
		s.log.Info("no text commands: their account is disabled", "name", assistantName)
		return nil
	}
	s.assistant = self
	s.commands = assistant.New(assistant.Config{
		Groups: s.groups, Conversations: s.store, Users: s.store, Messages: s.store,
		Self: self.ID, Language: s.cfg.Language, Log: s.part("assistant"),
	})
	return nil
}

// assistantAccount finds or makes the account. Nobody can log in to it: it has no
// credential, and who has one is an ordinary user (store.ErrConflict).
func assistantAccount(ctx context.Context, accounts assistantStore, domain, language string) (store.User, error) {
	u, err := accounts.UserByAddress(ctx, assistantName, domain)
	if errors.Is(err, store.ErrNotFound) {
		name := "小助手"
		if strings.HasPrefix(strings.ToLower(language), "en") {
			name = "Assistant"
		}
		return accounts.AddUser(ctx, store.User{Username: assistantName, Domain: domain, DisplayName: name}, nil)
	}
	if err != nil {
		return u, err
	}
	if u.Username != assistantName {
		return u, fmt.Errorf("%w as a number of %s", store.ErrConflict, u.Username)
	}
	_, err = accounts.Credential(ctx, assistantName, domain)
	switch {
	case err == nil:
		return u, fmt.Errorf("%w: %s is a user with a password", store.ErrConflict, u.AOR())
	case errors.Is(err, store.ErrNotFound):
		return u, nil
	}
	return u, err
}
