package admin

import (
	"fmt"
	"net/http"
	"testing"
)

// TestExplainInvalid: the sentinel is for programs; people read what is wrong, and
// with which field.
func TestExplainInvalid(t *testing.T) {
	wrong := invalid("%q is outside", "a@b.c")
	for want, err := range map[string]error{
		`"a@b.c" is outside`:               wrong,
		`forward_busy: "a@b.c" is outside`: fmt.Errorf("forward_busy: %w", wrong),
	} {
		if status, got := explain(err); status != http.StatusUnprocessableEntity || got != want {
			t.Errorf("%d %s, want 422 %s", status, got, want)
		}
	}
}
