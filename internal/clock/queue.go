package clock

import "container/heap"

// queue is the timers that wait, the earliest first; among those due at one instant, the one set first.
type queue struct{ heap timerHeap }

func (q *queue) add(t *Timer)    { heap.Push(&q.heap, t) }
func (q *queue) remove(t *Timer) { heap.Remove(&q.heap, t.place) }
func (q *queue) fix(t *Timer)    { heap.Fix(&q.heap, t.place) }

func (q *queue) first() *Timer {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

type timerHeap []*Timer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].serial < h[j].serial
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*Timer)
	t.place = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	last := len(old) - 1
	t := old[last]
	old[last], t.place = nil, -1
	*h = old[:last]
	return t
}
