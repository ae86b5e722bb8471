package admin

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/sparkleim/sparkle/picture"
	"github.com/sparkleim/sparkle/store"
)

// Own is what users have of their own, for /v1/me: their conversations, what they
// find in them, and the names of those they meet there.
type Own interface {
	store.Conversations
	People(ctx context.Context, ids []store.UserID) (map[store.UserID]store.User, error)
	Search(ctx context.Context, q store.SearchQuery) (store.SearchResult, error)
}

// ownPath is what a user's token opens, and no other.
const ownPath = "/v1/me"

func isOwn(path string) bool { return path == ownPath || strings.HasPrefix(path, ownPath+"/") }

type holderKey struct{}

// holder is the token of the user who asks.
func holder(ctx context.Context) store.Token {
	t, _ := ctx.Value(holderKey{}).(store.Token)
	return t
}

// me is the user who asks. The doors let nobody else to what is below /v1/me.
func me(ctx context.Context) store.UserID { return holder(ctx).User }

// own describes a route below /v1/me.
func own(method, path, id, summary string) huma.Operation {
	op := operation(method, ownPath+path, id, summary)
	op.Tags = []string{"me"}
	op.Description = "For the token of a user: " + ownTokenHint + "."
	return op
}

const ownTokenHint = "an administrator makes one with `sparkle token add NAME --user USER`"

func (a *API) registerMe(api huma.API) {
	huma.Register(api, own(http.MethodGet, "", "get-me", "Show whose token this is"), a.getMe)
	huma.Register(api, own(http.MethodGet, "/groups", "list-my-groups", "List the groups that I am in"), a.listMyGroups)
	a.registerMyConversations(api)
	a.registerMyMessages(api)
	a.registerMyPosts(api)
	a.registerMySync(api)
	a.registerMyEvents(api)
	a.registerMyPicture(api)
}

// Person is somebody, as other users see him.
type Person struct {
	Address     string   `json:"address" doc:"User and domain, without sip:."`
	DisplayName string   `json:"display_name,omitempty"`
	Numbers     []string `json:"numbers,omitempty" doc:"All of them mean this person."`
	Picture     string   `json:"picture,omitempty" doc:"Address of the picture; ?s=96 for a small one."`
}

func (a *API) personOf(u store.User) Person {
	return Person{Address: u.AOR(), DisplayName: u.DisplayName, Numbers: u.Numbers, Picture: a.Pictures.URL(picture.Owner{User: u.ID})}
}

func (a *API) getMe(ctx context.Context, _ *struct{}) (*reply[Person], error) {
	people, err := a.Own.People(ctx, []store.UserID{me(ctx)})
	if err != nil {
		return nil, a.problem(err)
	}
	return &reply[Person]{a.personOf(people[me(ctx)])}, nil
}

// MyGroup is a group that the user is in.
type MyGroup struct {
	GroupFace
	Conversation int64              `json:"conversation"`
	Role         string             `json:"role" enum:"member,administrator,owner" doc:"Mine."`
	Nickname     string             `json:"nickname,omitempty" doc:"Mine."`
	Announcement *GroupAnnouncement `json:"announcement,omitempty"`
	Pinned       []string           `json:"pinned,omitempty" doc:"Messages, the newest pin first."`
	MutedAll     bool               `json:"muted_all,omitempty" doc:"Only the owner and administrators may write."`
}

func (a *API) listMyGroups(ctx context.Context, _ *struct{}) (*reply[Page[MyGroup]], error) {
	u := me(ctx)
	f := a.newFaces(u)
	groups := a.Groups.Of(u)
	for _, g := range groups {
		if g.Announcement != nil {
			f.want(g.Announcement.By)
		}
	}
	if err := f.load(ctx); err != nil {
		return nil, a.problem(err)
	}
	page := Page[MyGroup]{Items: make([]MyGroup, 0, len(groups))}
	for _, g := range groups {
		m, _ := g.Member(u)
		own := MyGroup{
			GroupFace: f.group(g), Conversation: int64(g.Conversation),
			Role: m.Role.String(), Nickname: m.Nickname, MutedAll: g.MutedAll,
		}
		if n := g.Announcement; n != nil {
			own.Announcement = &GroupAnnouncement{Text: n.Text, By: f.address(n.By), At: n.At}
		}
		for _, gid := range g.Pinned {
			own.Pinned = append(own.Pinned, store.GIDString(gid))
		}
		page.Items = append(page.Items, own)
	}
	return &reply[Page[MyGroup]]{page}, nil
}
