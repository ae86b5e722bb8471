package admin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/sparkleim/sparkle/group"
	"github.com/sparkleim/sparkle/store"
	"github.com/sparkleim/sparkle/store/sqldb"
)

// organisation is groups and units over a real store: what they refuse is theirs
// to say. It has the users of the fixture, and
//
//	公司 (1)
//	├ 研发部 (2): alice 工程师
//	└ 销售部 (3): zhangsan 经理
//	tech: "技术组", owned by alice, with zhangsan, and with message 1 in it
//	yanfa: "研发部", fixed, follows unit 2
type organisation struct {
	*sqldb.DB
	*group.Service
	message int64 // in tech
}

// twoUsers are the people of the fixture.
func twoUsers() []store.User {
	return []store.User{
		{ID: 1, Username: "alice", Domain: "example.com", DisplayName: "Alice", Numbers: []string{"1003"}},
		{ID: 2, Username: "zhangsan", Domain: "example.com", DisplayName: "张三", Numbers: []string{"1001"}},
	}
}

// filled is where the store of an organisation lies ready: to make one takes ten
// times as long as to copy it.
var filled string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if filled, err = os.MkdirTemp("", "organisation"); err == nil {
			defer os.RemoveAll(filled)
			err = fillOrganisation(context.Background(), filled)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func fillOrganisation(ctx context.Context, dir string) error {
	o, err := openOrganisation(ctx, dir)
	if err != nil {
		return err
	}
	for _, fill := range []func(context.Context) error{o.addUsers, o.addUnits, o.addGroups} {
		if err := fill(ctx); err != nil {
			return errors.Join(err, o.Close())
		}
	}
	return o.Close()
}

func openOrganisation(ctx context.Context, dir string) (*organisation, error) {
	db, err := sqldb.Open(sqldb.Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	service, err := group.New(ctx, group.Config{Store: db, Domain: "example.com", Language: "en", Now: func() time.Time { return noon }})
	return &organisation{DB: db, Service: service}, err
}

func newOrganisation(t *testing.T) *organisation {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filled)); err != nil {
		t.Fatal(err)
	}
	o, err := openOrganisation(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	tech, _ := o.Find("tech")
	page, err := o.ConversationPage(t.Context(), tech.Conversation, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	o.message = page[0].GID
	return o
}

func (o *organisation) addUsers(ctx context.Context) error {
	for _, u := range twoUsers() {
		if _, err := o.AddUser(ctx, u, nil); err != nil {
			return err
		}
	}
	return nil
}

func (o *organisation) addUnits(ctx context.Context) error {
	for _, u := range []store.Unit{{Name: "公司"}, {Parent: 1, Name: "研发部", Order: 1}, {Parent: 1, Name: "销售部", Order: 2}} {
		if _, err := o.SetUnit(ctx, u); err != nil {
			return err
		}
	}
	if err := o.SetUnitMember(ctx, store.UnitMember{Unit: 2, User: 1, Title: "工程师"}); err != nil {
		return err
	}
	return o.SetUnitMember(ctx, store.UnitMember{Unit: 3, User: 2, Title: "经理"})
}

func (o *organisation) addGroups(ctx context.Context) error {
	tech, err := o.Create(ctx, administrator(), store.Group{Name: "tech", Subject: "技术组"}, []store.UserID{1, 2})
	if err != nil {
		return err
	}
	_, err = o.Create(ctx, administrator(), store.Group{Name: "yanfa", Kind: store.GroupFixed, Follows: &store.Follows{Unit: 2}}, nil)
	if err != nil {
		return err
	}
	stored := make(chan error, 1)
	o.Append(&store.NewMessage{
		Kind: store.KindText, From: 1, Group: tech.ID, ContentType: "text/plain", Body: []byte("晚上见"), Text: "晚上见", CallID: "g1", TraceID: "t9",
	}, func(_ store.Accepted, err error) { stored <- err })
	return <-stored
}
