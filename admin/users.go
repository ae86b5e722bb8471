package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/store"
)

// NewUser is a user to be made.
type NewUser struct {
	Username    string   `json:"username" doc:"User part of the address; lower case."`
	Domain      string   `json:"domain,omitempty" doc:"Absent: the first domain of the server."`
	Password    string   `json:"password,omitempty" doc:"Absent: one is made and shown in the answer, once."`
	DisplayName string   `json:"display_name,omitempty"`
	Numbers     []string `json:"numbers,omitempty" doc:"Further user parts that reach this user."`
	Admin       bool     `json:"admin,omitempty"`
}

// AddedUser is a user with the password that was made for him.
type AddedUser struct {
	User     store.User `json:"user"`
	Password string     `json:"password,omitempty" doc:"Only when the server made it."`
}

// UserChange says what to change; absent members stay as they are.
type UserChange struct {
	DisplayName *string   `json:"display_name,omitempty"`
	Numbers     *[]string `json:"numbers,omitempty"`
	Disabled    *bool     `json:"disabled,omitempty" doc:"A disabled user's devices are disconnected at once."`
	Admin       *bool     `json:"admin,omitempty"`
}

// NewPasswordRequest is a password to be set.
type NewPasswordRequest struct {
	Password string `json:"password,omitempty" doc:"Absent: one is made and shown in the answer, once."`
}

// UserPath names a user in a path.
type UserPath struct {
	User string `path:"user" doc:"Username or number, with or without @domain."`
}

func (a *API) registerUsers(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/users", "list-users", "List users"), a.listUsers)
	add := operation(http.MethodPost, "/v1/users", "add-user", "Add a user")
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, a.addUser)
	huma.Register(api, operation(http.MethodGet, "/v1/users/{user}", "get-user", "Show a user"), a.getUser)
	huma.Register(api, operation(http.MethodPatch, "/v1/users/{user}", "change-user", "Change, disable or enable a user"), a.changeUser)
	huma.Register(api, operation(http.MethodDelete, "/v1/users/{user}", "remove-user", "Remove a user; the archive keeps what the user wrote"), a.removeUser)
	huma.Register(api, operation(http.MethodPut, "/v1/users/{user}/password", "set-password", "Set a user's password"), a.setPassword)
	imports := operation(http.MethodPost, "/v1/users/import", "import-users", "Import users from CSV: all of them, or none")
	imports.MaxBodyBytes = maxImport
	imports.BodyReadTimeout = time.Minute
	huma.Register(api, imports, a.importUsers)
}

func (a *API) listUsers(ctx context.Context, in *struct {
	Match  string `query:"match" doc:"Part of a name, number or display name."`
	Cursor int64  `query:"cursor"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*reply[Page[store.User]], error) {
	users, err := a.Accounts.List(ctx, in.Match, store.UserID(in.Cursor), in.Limit)
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[store.User]{Items: make([]store.User, len(users))}
	for i, u := range users {
		page.Items[i] = a.withPicture(u)
	}
	if len(users) == in.Limit {
		page.Next = strconv.FormatInt(int64(users[len(users)-1].ID), 10)
	}
	return &reply[Page[store.User]]{page}, nil
}

func (a *API) addUser(ctx context.Context, in *struct{ Body NewUser }) (*reply[AddedUser], error) {
	n := in.Body
	u := store.User{Username: n.Username, Domain: n.Domain, DisplayName: n.DisplayName, Numbers: n.Numbers, Admin: n.Admin}
	password, shown := n.Password, ""
	if password == "" {
		password = NewPassword()
		shown = password
	}
	err := checkUser(u)
	if err == nil {
		err = checkPassword(password)
	}
	if err == nil {
		u, err = a.Accounts.Add(ctx, u, password)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "user.add", u.AOR(), u); err != nil {
		return nil, err
	}
	return &reply[AddedUser]{AddedUser{a.withPicture(u), shown}}, nil
}

func (a *API) getUser(ctx context.Context, in *UserPath) (*reply[store.User], error) {
	u, err := a.Accounts.Find(ctx, in.User)
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[store.User]{a.withPicture(u)}, nil
}

func (a *API) changeUser(ctx context.Context, in *struct {
	UserPath
	Body UserChange
}) (*reply[store.User], error) {
	u, err := a.Accounts.Find(ctx, in.User)
	if err == nil {
		u = in.Body.apply(u)
		err = checkUser(u)
	}
	if err == nil {
		u, err = a.Accounts.Update(ctx, u)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "user.change", u.AOR(), in.Body); err != nil {
		return nil, err
	}
	return &reply[store.User]{a.withPicture(u)}, nil
}

func (c UserChange) apply(u store.User) store.User {
	if c.DisplayName != nil {
		u.DisplayName = *c.DisplayName
	}
	if c.Numbers != nil {
		u.Numbers = *c.Numbers
	}
	if c.Disabled != nil {
		u.Disabled = *c.Disabled
	}
	if c.Admin != nil {
		u.Admin = *c.Admin
	}
	return u
}

func (a *API) removeUser(ctx context.Context, in *UserPath) (*struct{}, error) {
	u, err := a.Accounts.Find(ctx, in.User)
	if err == nil {
		err = a.Accounts.Remove(ctx, u)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	return nil, a.audit(ctx, "user.remove", u.AOR(), nil)
}

func (a *API) setPassword(ctx context.Context, in *struct {
	UserPath
	Body NewPasswordRequest
}) (*reply[AddedUser], error) {
	password, shown := in.Body.Password, ""
	if password == "" {
		password = NewPassword()
		shown = password
	}
	err := checkPassword(password)
	var u store.User
	if err == nil {
		u, err = a.Accounts.Find(ctx, in.User)
	}
	if err == nil {
		err = a.Accounts.SetPassword(ctx, u, password)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, "user.password", u.AOR(), nil); err != nil {
		return nil, err
	}
	return &reply[AddedUser]{AddedUser{a.withPicture(u), shown}}, nil
}
