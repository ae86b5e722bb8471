package call

import "testing"

// TestLateLookUp: the store may say who was called when the caller has gone. There
// is no media then that nobody would end.
func TestLateLookUp(t *testing.T) {
	c := &call{phase: over}
	if err := c.prepare(); err != nil || c.session != nil {
		t.Errorf("a call that is over got media: %v, %v", c.session, err)
	}
}
