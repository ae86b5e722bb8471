package trunk

import "time"

// hourly counts events of the last hour, to the minute.
type hourly struct {
	minute int64 // Unix minutes of the newest slot
	slots  [60]uint16
	total  int
}

// count is how many events the last hour had.
func (h *hourly) count(now time.Time) int {
	h.advance(now)
	return h.total
}

func (h *hourly) add(now time.Time) {
	h.advance(now)
	if slot := &h.slots[h.minute%60]; *slot < 1<<16-1 {
		*slot++
		h.total++
	}
}

// advance empties the slots of minutes that are over.
func (h *hourly) advance(now time.Time) {
	minute := now.Unix() / 60
	if minute-h.minute >= 60 || h.minute > minute+60 { // the second: the clock was set back
		*h = hourly{minute: minute}
		return
	}
	for h.minute < minute {
		h.minute++
		slot := &h.slots[h.minute%60]
		h.total -= int(*slot)
		*slot = 0
	}
}
