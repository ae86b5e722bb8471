package trunk

import "testing"

// What one side learns of the Reason (RFC 3326) of the other.
func TestReasons(t *testing.T) {
	for _, c := range []struct {
		reason, plain string
		cause         int
	}{
		{"", "", 0},
		{"Q.850;cause=16", "Q.850;cause=16", 16},
		{`Q.850;cause=16;text="Terminated"`, `Q.850;cause=16;text="Terminated"`, 16},
		{`q.850 ; text="a" ; cause=17`, `Q.850;cause=17;text="a"`, 17},
		{`SIP;cause=200;text="Call completed elsewhere"`, `SIP;cause=200;text="Call completed elsewhere"`, 0},
		{`SIP;cause=200, Q.850;cause=16`, `SIP;cause=200`, 16},
		{`X;cause=1;text="Q.850, cause", Q.850;cause=16;text="a;b, \"c\""`, `Q.850;cause=16;text="a;b, \"c\""`, 16},
		{`Q.850;cause=16;text="`, `Q.850;cause=16;text="\""`, 16},
		{`Q.850;cause=16;x-host=10.0.0.1`, "Q.850;cause=16", 16},
		{"X-Vendor;cause=1", "", 0},
		{"Q.850;cause=99999", "", 0},
		{"Q.850;cause=-1", "", 0},
		{"Q.850", "", 0},
	} {
		if got := plainReason(c.reason); got != c.plain {
			t.Errorf("%s becomes %s, want %s", c.reason, got, c.plain)
		}
		if got := q850(c.reason); got != c.cause {
			t.Errorf("%s: cause %d, want %d", c.reason, got, c.cause)
		}
	}
}
