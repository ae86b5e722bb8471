package chat

import (
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/sip/wire"
	"github.com/sparkleim/sparkle/store"
)

// Everybody in a group of text phones and Linphones gets what suits him.
func TestGroupOfMixedPhones(t *testing.T) {
	inMeeting(t, func(m *meeting) {
		m.arrives(101, 102, 201, 202, 301, 401)
		a := m.writes(102, "id-1", "大家好")
		if a.status != 202 {
			t.Fatalf("answered %d", a.status)
		}
		original := cpimOf("alice", "id-1", "大家好")
		expect(t, "in the room", m.phones.texts(202), []string{original})
		expect(t, "text phone", m.phones.texts(201), []string{"爱丽丝: 大家好"})
		expect(t, "another text phone", m.phones.texts(301), []string{"爱丽丝: 大家好"})
		expect(t, "own text phone", m.phones.texts(101), []string{"我: 大家好"})
		for _, got := range m.phones.texts(102) {
			if !strings.Contains(got, "<message-id>id-1</message-id>") {
				t.Errorf("the sender got %s", got)
			}
		}
		expect(t, "not in the group", m.phones.texts(401), nil)
		for d, want := range map[int][]string{
			201: {"From", `"研发" <sip:team@example.com>;tag=`, "To", "<sip:bob@example.com>", "Content-Type", "text/plain;charset=UTF-8", "Session-mode", "", "Call-ID", "0000000000000002@example.com"},
			202: {"From", `<sip:team@example.com>;tag=`, "Content-Type", cpimType, "Session-mode", "true", "X-fs-message-type", "", IDHeader, "0000000000000002"},
		} {
			req := m.phones.got[store.DeviceID(d)][0]
			for i := 0; i < len(want); i += 2 {
				if v := wire.Header(req, want[i]); !strings.HasPrefix(v, want[i+1]) || want[i+1] == "" && v != "" {
					t.Errorf("%d: %s: %q, want %q", d, want[i], v, want[i+1])
				}
			}
		}
	})
}
