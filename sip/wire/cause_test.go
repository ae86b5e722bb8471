package wire

import (
	"slices"
	"testing"
)

func TestCauses(t *testing.T) {
	for _, test := range []struct {
		reason string
		want   []Cause
	}{
		{"", nil},
		{`SIP ;cause=200 ;text="Call completed elsewhere"`, []Cause{{"SIP", 200, "Call completed elsewhere"}}}, // RFC 3326 §3.1
		{`q.850;cause=16;text="Terminated"`, []Cause{{"Q.850", 16, "Terminated"}}},
		{`SIP;cause=486, Q.850 ; cause = 17`, []Cause{{"SIP", 486, ""}, {"Q.850", 17, ""}}},
		{`Q.850;text="a;cause=1, \"b\"";cause=17`, []Cause{{"Q.850", 17, `a;cause=1, "b"`}}},
		{`Q.850, SIP;cause=x, SIP;cause=0, SIP;cause=1000, preemption;cause=1`, []Cause{{"PREEMPTION", 1, ""}}},
		{`Q.850;cause=16;text="no end, SIP;cause=1`, []Cause{{"Q.850", 16, `"no end, SIP;cause=1`}}},
	} {
		if got := slices.Collect(Causes(test.reason)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %+v, want %+v", test.reason, got, test.want)
		}
	}
}

func FuzzCauses(f *testing.F) {
	for _, s := range []string{`Q.850;cause=16;text="a, b"`, `SIP;cause=486,,Q.850;cause=17`, `x;"`, `,`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for c := range Causes(s) {
			if c.Cause < 1 || c.Cause > 999 || len(c.Text) > len(s) {
				t.Errorf("%q: %+v", s, c)
			}
		}
	})
}
