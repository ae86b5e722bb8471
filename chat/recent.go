package chat

import (
	"sync"

	"github.com/sparkleim/sparkle/store"
)

// recent remembers what the latest messages are called, for the receipts that
// come in the seconds and minutes after each.
type recent struct {
	mu     sync.Mutex
	places latest[messageName, place]
}

// recentMessages is how many messages are remembered.
const recentMessages = 1 << 14

// messageName is how receipts name a message: by its Message-ID, or, between two,
// by its Call-ID when it has none.
type messageName struct {
	group    store.GroupID // or
	from, to store.UserID
	name     string
}

// nameOf is the name of a message.
func nameOf(m *store.Message) messageName {
	n := messageName{group: m.Group, name: m.MessageID}
	if m.Group == 0 {
		n.from, n.to = m.From, m.To
	}
	if n.name == "" {
		n.name = m.CallID
	}
	return n
}

// place is a message that a receipt may be about.
type place struct {
	conversation store.ConversationID
	seq          int64
	author       store.UserID // 0: nobody is told, as of a notice
}

func placeOf(m *store.Message) place {
	p := place{m.Conversation, m.Seq, m.From}
	if m.Kind != store.KindText {
		p.author = 0
	}
	return p
}

// add remembers a message. A receipt from a group does not say who wrote what it is
// about: a name belongs to who used it first, so that nobody can draw receipts for
// another one's message to himself. One phone may use a Call-ID again; it means its
// latest message.
func (r *recent) add(m *store.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := nameOf(m)
	if first, taken := r.places.values[n]; !taken || first.author == m.From {
		r.places.put(n, placeOf(m), recentMessages)
	}
}

// find returns the messages of receipts, and the receipts of which it knows none;
// among says what the messages have in common.
func (r *recent) find(among messageName, rs []receipt) (found []about, missing []receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, receipt := range rs {
		among.name = receipt.MessageID
		if p, ok := r.places.values[among]; ok {
			found = append(found, about{receipt, p})
		} else {
			missing = append(missing, receipt)
		}
	}
	return found, missing
}

// about is a receipt and the message that it is about.
type about struct {
	receipt
	place
}
