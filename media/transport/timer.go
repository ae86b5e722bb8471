package transport

import "container/heap"

// timer is a function that a loop calls again and again. Times are nanoseconds.
type timer struct {
	due, every int64
	f          func(now int64)
	index      int // in the heap, -1: not in it
}

// timers is a heap, the next one first.
type timers []*timer

func (t *timers) add(x *timer) { heap.Push(t, x) }

func (t *timers) remove(x *timer) {
	if x.index >= 0 {
		heap.Remove(t, x.index)
	}
}

// next gives a function that is due and sets its timer anew; nil: none is. A
// timer that is late does not catch up.
func (t *timers) next(now int64) func(now int64) {
	if len(*t) == 0 || (*t)[0].due > now {
		return nil
	}
	first := (*t)[0]
	first.due += first.every
	if first.due <= now {
		first.due = now + first.every
	}
	heap.Fix(t, 0)
	return first.f
}

// Len, Less, Swap, Push and Pop are what container/heap needs.
func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].due < t[j].due }

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

func (t *timers) Push(x any) {
	x.(*timer).index = len(*t)
	*t = append(*t, x.(*timer))
}

func (t *timers) Pop() any {
	last := (*t)[len(*t)-1]
	(*t)[len(*t)-1] = nil
	*t = (*t)[:len(*t)-1]
	last.index = -1
	return last
}
