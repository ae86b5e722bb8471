package auth

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestBanLengths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBans(BanPolicy{})
		a := netip.MustParseAddr("192.0.2.1")
		for _, minutes := range []int{5, 10, 20, 40, 60, 60} {
			for i := range 10 {
				if b.fail(a) != (i == 9) {
					t.Fatalf("failure %d", i+1)
				}
			}
			time.Sleep(time.Duration(minutes)*time.Minute - time.Second)
			if !b.banned(a) {
				t.Errorf("the ban of %d minutes ended early", minutes)
			}
			time.Sleep(2 * time.Second)
			if b.banned(a) {
				t.Errorf("the ban of %d minutes goes on", minutes)
			}
		}
	})
}

func TestSlowFailuresDoNotBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBans(BanPolicy{})
		a := netip.MustParseAddr("192.0.2.1")
		for range 100 {
			if b.fail(a) {
				t.Fatal("banned")
			}
			time.Sleep(7 * time.Second)
		}
	})
}

func TestSources(t *testing.T) {
	b := newBans(BanPolicy{Failures: 2, Exempt: func(a netip.Addr) bool { return a.IsLoopback() }})
	fail := func(s string) bool { return b.fail(netip.MustParseAddr(s)) }
	fail("2001:db8:1:2::1")
	if !fail("2001:db8:1:2:ffff::9") {
		t.Error("an IPv6 host escapes by choosing another address of its /64")
	}
	fail("192.0.2.7")
	if !fail("::ffff:192.0.2.7") || !b.banned(netip.MustParseAddr("192.0.2.7")) {
		t.Error("a mapped IPv4 address is another one")
	}
	for range 5 {
		if fail("127.0.0.1") || fail("::1") {
			t.Error("an exempt address is banned")
		}
	}
}

func TestBanTableBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBans(BanPolicy{Table: 100, Failures: 3})
		bad := netip.MustParseAddr("198.51.100.1")
		for range 3 {
			b.fail(bad)
		}
		for i := range 10_000 {
			b.fail(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		}
		if len(b.records) > 100 {
			t.Errorf("%d records", len(b.records))
		}
		if !b.banned(bad) {
			t.Error("failures of others ended a ban")
		}
		time.Sleep(2 * time.Hour)
		b.fail(bad)
		if len(b.records) != 1 {
			t.Errorf("%d records after everything is over: %v", len(b.records), fmt.Sprint(b.records))
		}
	})
}
