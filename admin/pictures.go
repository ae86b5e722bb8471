package admin

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/picture"
	"github.com/sparkleim/sparkle/store"
)

// Pictures keeps the pictures of users and groups.
type Pictures interface {
	// Put keeps an upload under the name that it returns; settle is to be called
	// when that name is somebody's, or will never be.
	Put(ctx context.Context, r io.Reader) (name string, settle func(), err error)
	// URL is where the picture of an owner is seen by everybody who has the
	// address; it stays the same when the picture changes.
	URL(o picture.Owner) string
	// Show returns what the owner looks like, as JPEG.
	Show(ctx context.Context, o picture.Owner, size picture.Size) ([]byte, error)
}

// PictureAddress is where a picture is.
type PictureAddress struct {
	Picture string `json:"picture" doc:"Address of the picture, for everybody who has it; ?s=96 for a small one."`
}

// PictureSize chooses a size.
type PictureSize struct {
	Size string `query:"s" enum:"96,512" default:"512" doc:"Pixels of a side."`
}

// PictureUpload is a picture as it was made.
type PictureUpload struct {
	RawBody []byte `contentType:"image/*" doc:"PNG, JPEG, GIF or WebP of 5 MB and 40 megapixels at most. Its middle square is kept."`
}

// shownPicture is a picture as the body of an answer.
type shownPicture struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

const uploadTimeout = time.Minute

// uploads describes a route that takes a picture.
func uploads(op huma.Operation) huma.Operation {
	op.MaxBodyBytes = picture.MaxBytes
	op.BodyReadTimeout = uploadTimeout
	return op
}

func (a *API) registerPictures(api huma.API) {
	const user, of = "/v1/users/{user}/picture", "/v1/groups/{group}/picture"
	huma.Register(api, operation(http.MethodGet, user, "get-user-picture", "Show the picture of a user: the uploaded one, or a tile"), a.getUserPicture)
	huma.Register(api, uploads(operation(http.MethodPut, user, "set-user-picture", "Upload the picture of a user")), a.setUserPicture)
	huma.Register(api, operation(http.MethodDelete, user, "remove-user-picture", "Remove the uploaded picture of a user"), a.removeUserPicture)
	huma.Register(api, operation(http.MethodGet, of, "get-group-picture", "Show the picture of a group: the uploaded one, or a mosaic of its members"), a.getGroupPicture)
	huma.Register(api, uploads(operation(http.MethodPut, of, "set-group-picture", "Upload the picture of a group")), a.setGroupPicture)
	huma.Register(api, operation(http.MethodDelete, of, "remove-group-picture", "Remove the uploaded picture of a group"), a.removeGroupPicture)
}

func (a *API) registerMyPicture(api huma.API) {
	huma.Register(api, own(http.MethodGet, "/picture", "get-my-picture", "Show my picture"), a.getMyPicture)
	huma.Register(api, a.oneAtATime(api, uploads(own(http.MethodPut, "/picture", "set-my-picture", "Upload my picture"))), a.setMyPicture)
	huma.Register(api, own(http.MethodDelete, "/picture", "remove-my-picture", "Remove my uploaded picture"), a.removeMyPicture)
}

// withPicture is a user with the address of his picture instead of its name.
func (a *API) withPicture(u store.User) store.User {
	u.Picture = a.Pictures.URL(picture.Owner{User: u.ID})
	return u
}

func (a *API) showPicture(ctx context.Context, o picture.Owner, in PictureSize) (*shownPicture, error) {
	size := picture.Large
	if in.Size == "96" {
		size = picture.Small
	}
	data, err := a.Pictures.Show(ctx, o, size)
	if err != nil {
		return nil, a.problem(err)
	}
	return &shownPicture{"image/jpeg", data}, nil
}

// upload keeps a picture while give makes it somebody's.
func (a *API) upload(ctx context.Context, data []byte, give func(name string) error) error {
	name, settle, err := a.Pictures.Put(ctx, bytes.NewReader(data))
	if err != nil {
		return err
	}
	defer settle()
	return give(name)
}

// giveUser makes a picture a user's, "" for none.
func (a *API) giveUser(ctx context.Context, id store.UserID, name string) error {
	u, err := a.Accounts.ByID(ctx, id) // as he is after the upload
	if err == nil && u.Picture != name {
		u.Picture = name
		_, err = a.Accounts.Update(ctx, u)
	}
	return err
}

func (a *API) getUserPicture(ctx context.Context, in *struct {
	UserPath
	PictureSize
}) (*shownPicture, error) {
	u, err := a.Accounts.Find(ctx, in.User)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.showPicture(ctx, picture.Owner{User: u.ID}, in.PictureSize)
}

func (a *API) setUserPicture(ctx context.Context, in *struct {
	UserPath
	PictureUpload
}) (*reply[PictureAddress], error) {
	u, err := a.Accounts.Find(ctx, in.User)
	if err == nil {
		err = a.upload(ctx, in.RawBody, func(name string) error { return a.giveUser(ctx, u.ID, name) })
	}
	return a.userPictureChanged(ctx, "user.picture.set", u, err)
}

func (a *API) removeUserPicture(ctx context.Context, in *UserPath) (*reply[PictureAddress], error) {
	u, err := a.Accounts.Find(ctx, in.User)
	if err == nil {
		err = a.giveUser(ctx, u.ID, "")
	}
	return a.userPictureChanged(ctx, "user.picture.remove", u, err)
}

func (a *API) userPictureChanged(ctx context.Context, action string, u store.User, err error) (*reply[PictureAddress], error) {
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, action, u.AOR(), nil); err != nil {
		return nil, err
	}
	return a.pictureAt(picture.Owner{User: u.ID}), nil
}

func (a *API) pictureAt(o picture.Owner) *reply[PictureAddress] {
	return &reply[PictureAddress]{PictureAddress{a.Pictures.URL(o)}}
}

func (a *API) getGroupPicture(ctx context.Context, in *struct {
	GroupPath
	PictureSize
}) (*shownPicture, error) {
	g, err := a.theGroup(in.Group)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.showPicture(ctx, picture.Owner{Group: g.ID}, in.PictureSize)
}

func (a *API) setGroupPicture(ctx context.Context, in *struct {
	GroupPath
	PictureUpload
}) (*reply[PictureAddress], error) {
	g, err := a.theGroup(in.Group)
	if err == nil {
		err = a.upload(ctx, in.RawBody, func(name string) error { return a.giveGroup(ctx, g, name) })
	}
	return a.groupPictureChanged(ctx, "group.picture.set", g, err)
}

func (a *API) removeGroupPicture(ctx context.Context, in *GroupPath) (*reply[PictureAddress], error) {
	g, err := a.theGroup(in.Group)
	if err == nil {
		err = a.giveGroup(ctx, g, "")
	}
	return a.groupPictureChanged(ctx, "group.picture.remove", g, err)
}

// giveGroup makes a picture a group's, "" for none.
func (a *API) giveGroup(ctx context.Context, g *group.Snapshot, name string) error {
	_, err := a.Groups.Change(ctx, administrator(), g.ID, group.SetPicture{Name: name})
	return err
}

func (a *API) groupPictureChanged(ctx context.Context, action string, g *group.Snapshot, err error) (*reply[PictureAddress], error) {
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.audit(ctx, action, g.AOR(), nil); err != nil {
		return nil, err
	}
	return a.pictureAt(picture.Owner{Group: g.ID}), nil
}

func (a *API) getMyPicture(ctx context.Context, in *PictureSize) (*shownPicture, error) {
	return a.showPicture(ctx, picture.Owner{User: me(ctx)}, *in)
}

func (a *API) setMyPicture(ctx context.Context, in *PictureUpload) (*reply[PictureAddress], error) {
	u := me(ctx)
	if err := a.upload(ctx, in.RawBody, func(name string) error { return a.giveUser(ctx, u, name) }); err != nil {
		return nil, a.problem(err)
	}
	return a.pictureAt(picture.Owner{User: u}), nil
}

func (a *API) removeMyPicture(ctx context.Context, _ *struct{}) (*reply[PictureAddress], error) {
	if err := a.giveUser(ctx, me(ctx), ""); err != nil {
		return nil, a.problem(err)
	}
	return a.pictureAt(picture.Owner{User: me(ctx)}), nil
}
