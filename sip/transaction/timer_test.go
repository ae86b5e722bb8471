package transaction

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bell notes when it rang.
type bell struct {
	mu    sync.Mutex
	alarm alarm
	due   int64
	want  time.Time // zero when disarmed
	rang  []time.Time
}

func (b *bell) expire(due int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if due == b.due {
		b.rang = append(b.rang, time.Now())
	}
}

func newBell() *bell {
	b := new(bell)
	b.alarm.owner = b
	return b
}

// change sets or clears a bell that has not rung.
func (b *bell) change(w *wheel, rng *rand.Rand) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case len(b.rang) > 0:
	case rng.IntN(5) == 0:
		b.due, b.want = 0, time.Time{}
		w.disarm(&b.alarm)
	default:
		d := time.Duration(rng.Int64N(int64(100 * time.Second)))
		b.want = time.Now().Add(d)
		b.due = w.arm(&b.alarm, d)
	}
}

// Alarms ring once, never early, at most a tick late, also those further away
// than one turn of the wheel, and not when they were cleared or set again.
func TestWheel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWheel()
		defer w.close()
		rng := rand.New(rand.NewPCG(1, 2))
		bells := make([]*bell, 2000)
		for i := range bells {
			bells[i] = newBell()
		}
		for range 10_000 {
			bells[rng.IntN(len(bells))].change(w, rng)
			if rng.IntN(100) == 0 {
				time.Sleep(time.Duration(rng.Int64N(int64(3 * time.Second))))
				synctest.Wait()
			}
		}
		time.Sleep(101 * time.Second)
		synctest.Wait()
		for i, b := range bells {
			switch {
			case b.want.IsZero() && len(b.rang) > 0:
				t.Errorf("bell %d was cleared and rang", i)
			case b.want.IsZero():
			case len(b.rang) != 1:
				t.Errorf("bell %d rang %d times", i, len(b.rang))
			case b.rang[0].Before(b.want) || b.rang[0].Sub(b.want) > 2*tick:
				t.Errorf("bell %d rang %v late", i, b.rang[0].Sub(b.want))
			}
		}
		if n := w.size(); n != 0 {
			t.Errorf("%d alarms are left", n)
		}
		if i := slices.IndexFunc(w.used[:], func(word uint64) bool { return word != 0 }); i >= 0 {
			t.Errorf("word %d of the map of slots is %x", i, w.used[i])
		}
	})
}

// An idle wheel sleeps; with one distant alarm it wakes only for its slot.
func TestWheelSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWheel()
		defer w.close()
		synctest.Wait()
		if d := w.pause(); d != time.Hour {
			t.Errorf("an empty wheel sleeps for %v", d)
		}
		b := newBell()
		b.due = w.arm(&b.alarm, 30*time.Second)
		synctest.Wait()
		if d := w.pause(); d != 30*time.Second {
			t.Errorf("sleeps for %v", d)
		}
	})
}

func BenchmarkWheel(b *testing.B) {
	w := newWheel()
	defer w.close()
	bells := make([]*bell, 1024)
	for i := range bells {
		bells[i] = newBell()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		x := bells[i%len(bells)]
		w.arm(&x.alarm, 500*time.Millisecond)
		w.disarm(&x.alarm)
	}
}
