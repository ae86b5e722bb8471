package admin

import (
	"context"
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

func newOrganisation(t *testing.T, users []store.User) *organisation {
	t.Helper()
	db, err := sqldb.Open(sqldb.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	service, err := group.New(t.Context(), group.Config{Store: db, Domain: "example.com", Language: "en", Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	o := &organisation{DB: db, Service: service}
	for _, fill := range []func(context.Context) error{
		func(ctx context.Context) error { return o.addUsers(ctx, users) }, o.addUnits, o.addGroups,
	} {
		if err := fill(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func (o *organisation) addUsers(ctx context.Context, users []store.User) error {
	for _, u := range users {
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
	}, func(a store.Accepted, err error) { o.message = a.GID; stored <- err })
	return <-stored
}
