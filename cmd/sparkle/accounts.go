package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/sparkleim/sparkle/picture"
	"github.com/sparkleim/sparkle/sip/auth"
	"github.com/sparkleim/sparkle/store"
)

// accountStore is what accounts keeps.
type accountStore interface {
	store.Users
	store.Credentials
	store.Devices
}

// forgetter drops what authentication, or calls, remember of a user.
type forgetter interface{ Forget(u store.UserID) }

// locations drops what the registrar remembers of a user, and devices.
type locations interface {
	ForgetUser(u store.UserID)
	RemoveUser(u store.UserID)
	RemoveDevice(d store.DeviceID)
}

// memberships are the groups of users (group.Service).
type memberships interface {
	UserChanged(u store.User)
	UserRemoved(ctx context.Context, u store.UserID) error
	Follow(ctx context.Context) error
}

// attendance is where users are with their devices: in rooms, or subscribed to
// something (event.Notifier). It ends when no device can be reached any more.
type attendance interface {
	Forget(u store.UserID)
	ForgetDevice(u store.UserID, d store.DeviceID)
}

// rosters name users, and their devices are in rooms by them (focus.Service).
type rosters interface {
	attendance
	UserChanged(u store.User)
}

// pictureBook knows whose a picture is (picture.Service).
type pictureBook interface {
	Assign(o picture.Owner, name string)
}

// accountParts is the store of the accounts, and who remembers something of them.
type accountParts struct {
	store    accountStore
	auth     forgetter
	phones   locations
	groups   memberships
	rooms    rosters
	events   attendance
	pictures pictureBook
	log      *slog.Logger
	domain   string
	md5      bool // passwords may be used with MD5

	assistant store.UserID // the account of the assistant, 0: there is none
}

// accounts changes users in the store and, after the commit, wherever they are
// remembered. It is the admin.Accounts of the server.
type accounts struct {
	accountParts
	calls forgetter // nil before there are any
	own   forgetter // connections that wait for what is a user's own; nil before there are any

	mu      sync.RWMutex
	numbers map[string]store.UserID   // who may call himself by which number or username
	owned   map[store.UserID][]string // never changed in place
}

func newAccounts(ctx context.Context, parts accountParts) (*accounts, error) {
	acc := &accounts{accountParts: parts, numbers: map[string]store.UserID{}, owned: map[store.UserID][]string{}}
	const page = 1000
	for after := store.UserID(0); ; {
		users, err := acc.store.ListUsers(ctx, "", after, page)
		if err != nil {
			return nil, fmt.Errorf("read users: %w", err)
		}
		for _, u := range users {
			acc.learn(u)
			after = u.ID
		}
		if len(users) < page {
			return acc, nil
		}
	}
}

// learn replaces the numbers of a user, his name, and his picture.
func (a *accounts) learn(u store.User) {
	a.pictures.Assign(picture.Owner{User: u.ID}, u.Picture)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unlearn(u.ID)
	owned := append(slices.Clone(u.Numbers), u.Username)
	for _, n := range owned {
		a.numbers[n] = u.ID
	}
	a.owned[u.ID] = owned
}

// unlearn needs the lock.
func (a *accounts) unlearn(id store.UserID) {
	for _, n := range a.owned[id] {
		delete(a.numbers, n)
	}
	delete(a.owned, id)
}

// owns tells whether a number is the user's.
func (a *accounts) owns(id store.UserID, number string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	owner, known := a.numbers[number]
	return known && owner == id
}

// Numbers implements call.Users.
func (a *accounts) Numbers(id store.UserID) []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.owned[id]
}

// Owner implements call.Users.
func (a *accounts) Owner(name string) store.UserID {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.numbers[name]
}

// changed tells everybody that an account is not what it was.
func (a *accounts) changed(u store.User) {
	a.learn(u)
	a.auth.Forget(u.ID)
	a.phones.ForgetUser(u.ID)
	a.groups.UserChanged(u)
	a.rooms.UserChanged(u)
	if u.Disabled {
		a.disconnect(u.ID)
	}
}

// disconnect ends everything by which a user is there.
func (a *accounts) disconnect(id store.UserID) {
	a.phones.RemoveUser(id)
	a.rooms.Forget(id)
	a.events.Forget(id)
	a.hangUp(id)
}

func (a *accounts) Find(ctx context.Context, address string) (store.User, error) {
	name, domain, _ := strings.Cut(strings.ToLower(address), "@")
	return a.store.UserByAddress(ctx, name, cmp.Or(domain, a.domain))
}

func (a *accounts) ByID(ctx context.Context, id store.UserID) (store.User, error) {
	return a.store.User(ctx, id)
}

func (a *accounts) List(ctx context.Context, match string, after store.UserID, limit int) ([]store.User, error) {
	return a.store.ListUsers(ctx, match, after, limit)
}

func (a *accounts) Add(ctx context.Context, u store.User, password string) (store.User, error) {
	if err := a.checkDomain(&u); err != nil {
		return u, err
	}
	c := auth.HashPassword(0, u.Username, a.domain, password, a.md5)
	u, err := a.store.AddUser(ctx, u, &c)
	if err != nil {
		return u, err
	}
	a.changed(u)
	return u, nil
}

// checkDomain gives a user without a domain ours, and refuses foreign ones:
// passwords are bound to it.
func (a *accounts) checkDomain(u *store.User) error {
	u.Domain = cmp.Or(u.Domain, a.domain)
	if u.Domain != a.domain {
		return fmt.Errorf("%w: domain %s: all users of this server are in %s", store.ErrInvalid, u.Domain, a.domain)
	}
	return nil
}

func (a *accounts) Update(ctx context.Context, u store.User) (store.User, error) {
	u, err := a.store.UpdateUser(ctx, u)
	if err != nil {
		return u, err
	}
	a.changed(u)
	return u, nil
}

func (a *accounts) SetPassword(ctx context.Context, u store.User, password string) error {
	if err := a.checkPerson(u); err != nil {
		return err
	}
	if err := a.store.SetCredential(ctx, auth.HashPassword(u.ID, u.Username, a.domain, password, a.md5)); err != nil {
		return err
	}
	a.auth.Forget(u.ID) // whatever the old password proved has to be proved again
	return nil
}

// checkPerson refuses what makes no sense for the account of the assistant.
func (a *accounts) checkPerson(u store.User) error {
	if a.assistant != 0 && u.ID == a.assistant {
		return fmt.Errorf("%w: %s answers text commands: nobody logs in to it, and it cannot be removed; disable it and start the server again to go without",
			store.ErrInvalid, u.Username)
	}
	return nil
}

// Remove takes the user out of his groups first: after a crash in between there is
// an account to be removed again. The store takes him out of his units.
func (a *accounts) Remove(ctx context.Context, u store.User) error {
	if err := a.checkPerson(u); err != nil {
		return err
	}
	if err := a.groups.UserRemoved(ctx, u.ID); err != nil {
		return err
	}
	if err := a.store.RemoveUser(ctx, u.ID); err != nil {
		return err
	}
	a.mu.Lock()
	a.unlearn(u.ID)
	a.mu.Unlock()
	a.pictures.Assign(picture.Owner{User: u.ID}, "")
	a.auth.Forget(u.ID)
	if a.calls != nil {
		a.calls.Forget(u.ID)
	}
	a.phones.ForgetUser(u.ID)
	a.disconnect(u.ID)
	a.leaveGroups(ctx, u)
	return nil
}

// leaveGroups takes a user who is removed out of the groups that he was added to in
// the meantime, and lets others have his place where a unit is too large for its
// group. That this fails undoes nothing.
func (a *accounts) leaveGroups(ctx context.Context, u store.User) {
	ctx = context.WithoutCancel(ctx)
	if err := errors.Join(a.groups.UserRemoved(ctx, u.ID), a.groups.Follow(ctx)); err != nil {
		a.log.Error("groups are not in line with the removal of a user", "user", u.AOR(), "error", err)
	}
}

// hangUp ends the HTTP connections of a user whose tokens are no longer good.
func (a *accounts) hangUp(id store.UserID) {
	if a.own != nil {
		a.own.Forget(id)
	}
}

func (a *accounts) Import(ctx context.Context, users []store.User, passwords []string) (added, updated int, err error) {
	credentials := make([]*store.Credential, len(users))
	for i := range users {
		if err := a.checkDomain(&users[i]); err != nil {
			return 0, 0, err
		}
		if passwords[i] == "" {
			continue
		}
		c := auth.HashPassword(0, users[i].Username, a.domain, passwords[i], a.md5)
		credentials[i] = &c
	}
	if err := a.keepSettings(ctx, users, passwords); err != nil {
		return 0, 0, err
	}
	added, updated, err = a.store.ImportUsers(ctx, users, credentials)
	if err != nil {
		return 0, 0, err
	}
	for _, u := range users {
		if now, err := a.Find(ctx, u.Username); err == nil {
			a.changed(now)
		}
	}
	return added, updated, nil
}

// keepSettings takes over what a file of users does not say about those who
// exist, and wants a password for those who do not.
func (a *accounts) keepSettings(ctx context.Context, users []store.User, passwords []string) error {
	for i := range users {
		u := &users[i]
		known, err := a.store.UserByAddress(ctx, u.Username, u.Domain)
		switch {
		case err == nil:
			u.Admin, u.Disabled, u.Picture = known.Admin, known.Disabled, known.Picture
			u.DisplayName = cmp.Or(u.DisplayName, known.DisplayName)
			if passwords[i] != "" {
				if err := a.checkPerson(known); err != nil {
					return err
				}
			}
		case passwords[i] == "":
			return fmt.Errorf("%w: %s is new and has no password", store.ErrInvalid, u.Username)
		}
	}
	return nil
}

func (a *accounts) Devices(ctx context.Context, u store.UserID) ([]store.Device, error) {
	return a.store.ListDevices(ctx, u)
}

func (a *accounts) RevokeDevice(ctx context.Context, id store.DeviceID) (store.Device, error) {
	d, err := a.store.RevokeDevice(ctx, id)
	if err != nil {
		return d, fmt.Errorf("device %d: %w", id, err)
	}
	a.phones.RemoveDevice(id)
	a.rooms.ForgetDevice(d.User, id)
	a.events.ForgetDevice(d.User, id)
	return d, nil
}
