package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

// NewToken is a token to be made.
type NewToken struct {
	Name string `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-zA-Z0-9._-]+$" doc:"Stands in the audit log."`
	User string `json:"user,omitempty" doc:"Username or number: the token opens what is this user's own, /v1/me, and nothing else. Absent: it opens everything else."`
	Days int    `json:"days,omitempty" minimum:"0" maximum:"3650" doc:"Days until it expires; absent: never."`
}

// Token is a token without its secret.
type Token struct {
	store.Token
	User string `json:"user,omitempty" doc:"Whose own it opens; absent: the administration."`
}

// AddedToken is a token with its secret.
type AddedToken struct {
	Token
	Secret string `json:"secret" doc:"Shown this once."`
}

func (a *API) registerTokens(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/tokens", "list-tokens", "List API tokens"), a.listTokens)
	add := operation(http.MethodPost, "/v1/tokens", "add-token", "Make an API token")
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, a.addToken)
	huma.Register(api, operation(http.MethodDelete, "/v1/tokens/{id}", "revoke-token", "Revoke an API token"), a.revokeToken)
}

func (a *API) listTokens(ctx context.Context, _ *struct{}) (*reply[Page[Token]], error) {
	tokens, err := a.Tokens.ListTokens(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[Token]{Items: make([]Token, len(tokens))}
	names := a.newNames()
	for i, t := range tokens {
		page.Items[i] = Token{t, names.of(ctx, t.User)}
	}
	return &reply[Page[Token]]{page}, nil
}

func (a *API) addToken(ctx context.Context, in *struct{ Body NewToken }) (*reply[AddedToken], error) {
	secret := newToken()
	t := Token{Token: store.Token{Name: in.Body.Name, Hash: hashToken(secret), Created: a.Now()}}
	if in.Body.User != "" {
		u, err := a.person(ctx, in.Body.User)
		if err != nil {
			return nil, a.problem(err)
		}
		t.Token.User, t.User = u.ID, u.AOR()
	}
	if in.Body.Days > 0 {
		expires := t.Created.Add(time.Duration(in.Body.Days) * 24 * time.Hour)
		t.Expires = &expires
	}
	var err error
	if t.Token, err = a.Tokens.AddToken(ctx, t.Token); err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "token.add", t.Name, t); err != nil {
		return nil, err
	}
	return &reply[AddedToken]{AddedToken{t, secret}}, nil
}

func (a *API) revokeToken(ctx context.Context, in *struct {
	ID int64 `path:"id"`
}) (*struct{}, error) {
	if err := a.Tokens.RevokeToken(ctx, in.ID); err != nil {
		return nil, a.problem(err)
	}
	a.hub.endIf(func(l *listener) bool { return l.token == in.ID })
	return nil, a.audit(ctx, "token.revoke", strconv.FormatInt(in.ID, 10), nil)
}
