package trunk

import (
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// TestHourOfEach: users and hunt groups have an hour of their own each, and who
// only asks whether he may call, for a transfer, has not called.
func TestHourOfEach(t *testing.T) {
	story(t, "one call an hour", []store.Trunk{line("t", first)}, func(t *testing.T, w *world) {
		if _, err := w.border.SetClass(t.Context(), store.ClassOfService{Name: "default", CallsPerHour: 1}); err != nil {
			t.Fatal(err)
		}
		group := func(name string) Caller { return Caller{Group: name, Numbers: []string{"1235", name}} }
		asking := user()
		asking.Asks = true
		const number, full = "+498912345", "403 user_hour"
		for i, step := range []struct {
			c    Caller
			want string
		}{
			{asking, number}, {asking, number}, {user(), number}, {user(), full}, {asking, full},
			{group("sales"), number}, {group("sales"), full}, {group("support"), number}, {group("support"), full},
		} {
			if got := w.routes(step.c, number); got != step.want {
				t.Errorf("call %d, by %d %s: %s, want %s", i+1, step.c.User, step.c.Group, got, step.want)
			}
		}
	})
}
