package media_test

import "testing"

// TestFreePortsFromTheStart: a status page shows them before the first call.
func TestFreePortsFromTheStart(t *testing.T) {
	e := newEngine(t)
	before := e.Usage()
	if before.FreePorts != 10_000 {
		t.Errorf("of the 10,000 ports of the range %d are free at the start", before.FreePorts)
	}
	c := newCall(t, e, newPhone(t, sdesPhone, "audio"), newPhone(t, sdesPhone))
	if now := e.Usage(); now.Ports == 0 || now.FreePorts != before.FreePorts-now.Ports {
		t.Errorf("in a call: %+v, before %+v", now, before)
	}
	c.session.Close()
	if now := e.Usage(); now != before {
		t.Errorf("after a call: %+v, before %+v", now, before)
	}
}
