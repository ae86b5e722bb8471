package transport

import "testing"

// cut is a link that somebody can close.
type cut struct{ closed bool }

func (c *cut) Send([]byte) error { return nil }
func (c *cut) Open() bool        { return !c.closed }
func (c *cut) Close(string)      { c.closed = true }

// The proxy finds the flow of an agent by its ID as it finds a phone's.
func TestAttachedFlowIsFound(t *testing.T) {
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	first, second := NewFlow(&Flow{Transport: TLS}, &cut{}), NewFlow(&Flow{Transport: TLS}, &cut{})
	s.Attach(first)
	s.Attach(second)
	if first.ID == second.ID {
		t.Fatalf("both have the ID %d", first.ID)
	}
	if f, ok := s.Flow(first.ID); !ok || f != first {
		t.Errorf("Flow found %v, %v", f, ok)
	}
	first.Close("enough")
	if _, ok := s.Flow(first.ID); ok {
		t.Error("a closed flow was found")
	}
	s.Detach(second)
	if _, ok := s.Flow(second.ID); ok {
		t.Error("a detached flow was found")
	}
}
