package crash

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// certainty is what the callers know of whether something happened.
type certainty uint8

const (
	no    certainty = iota // it was never asked for, or was refused
	maybe                  // it was asked for, and no answer came
	yes                    // it was acknowledged
)

// fate is what is known of one message. Its body names it.
type fate struct {
	queue   *queue // where it was sent
	group   string
	n       int // its place in its group
	sent    certainty
	deleted certainty
	gone    uint64 // the tick at which its deletion was known
	id      string // message id, once acknowledged
	number  string // sequence number, likewise
	expires bool   // it may go by itself
}

// queue is one queue as its callers know it.
type queue struct {
	name   string
	fifo   bool
	strict bool   // order is kept: nothing leaves it but what is deleted
	dead   string // its dead-letter queue
}

func (q *queue) url() string { return "http://localhost/000000000000/" + q.name }
func (q *queue) arn() string { return "arn:aws:sqs:us-east-1:000000000000:" + q.name }

// history is what all callers did and were told. It complains of what must not be.
type history struct {
	mu     sync.Mutex
	life   uint64 // raised when the power is cut, and when it is back: what is answered in between was never answered
	tick   uint64
	fuzzy  bool // a refusal does not mean that nothing was done: the disk had no room for a commit under way
	fates  map[string]*fate
	groups map[string][]*fate // by queue and group, in the order they were sent
	wrong  []string

	acked   int           // calls acknowledged since the last cut
	enough  int           // at which reached is closed
	reached chan struct{} // never, where nil
}

func newHistory() *history {
	return &history{fates: map[string]*fate{}, groups: map[string][]*fate{}}
}

func (h *history) complain(format string, args ...any) {
	if len(h.wrong) < 20 {
		h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
	}
}

// report fails t with what was wrong.
func (h *history) report(t testing.TB) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.wrong {
		t.Error(w)
	}
	h.wrong = nil
}

// doubt says whether refusals are to be believed.
func (h *history) doubt(fuzzy bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fuzzy = fuzzy
}

// aim has the returned channel closed after so many acknowledged calls.
func (h *history) aim(enough int) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acked, h.enough, h.reached = 0, enough, make(chan struct{})
	return h.reached
}

// cut says that from now on no answer counts, to calls under way either.
func (h *history) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.life++
}

// revive says that the answers to calls that begin from now on do.
func (h *history) revive() { h.cut() }

// heard is err, or that no answer came.
func (c call) heard(err error) error {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if c.inVain() {
		return errNowhere
	}
	return err
}

func (c call) inVain() bool { return c.life != c.h.life || c.life%2 == 1 }

// call is one call under way.
type call struct {
	h     *history
	life  uint64
	tick  uint64
	start time.Time
}

func (h *history) begin() call {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tick++
	return call{h, h.life, h.tick, time.Now()}
}

// counts reports whether the answer of a call counts. h.mu is held.
func (c call) counts(err error) bool {
	h := c.h
	h.tick++
	if err != nil || c.inVain() {
		return false
	}
	if h.acked++; h.acked == h.enough && h.reached != nil {
		close(h.reached)
		h.reached = nil
	}
	return true
}

// sending notes that a message is about to be sent, for the first time or again.
func (h *history) sending(q *queue, group, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fates[body] != nil {
		return
	}
	key := q.name + "|" + group
	f := &fate{queue: q, group: group, n: len(h.groups[key]), sent: maybe}
	h.fates[body] = f
	if q.strict {
		h.groups[key] = append(h.groups[key], f)
	}
}

// sent notes the answer. It reports whether that counts.
func (c call) sent(body string, answer sent, err error) bool {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	f := c.h.fates[body]
	switch {
	case c.counts(err):
		if f.sent == yes && f.id != answer.MessageId {
			c.h.complain("%s was sent again and given another id, %s after %s", body, answer.MessageId, f.id)
		}
		f.sent, f.id, f.number = yes, answer.MessageId, answer.SequenceNumber
		return true
	case refused(err) && f.sent == maybe && !f.queue.fifo && !c.h.fuzzy: // a FIFO message may have been sent by an earlier try
		f.sent = no
	}
	return false
}

// deleting notes that a deletion is about to be asked for.
func (h *history) deleting(bodies ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range bodies {
		if f := h.fates[b]; f != nil {
			f.deleted = max(f.deleted, maybe)
		}
	}
}

// deleted notes the answer for one message that was received by a call that began at received.
func (c call) deleted(body string, received time.Time, visibility time.Duration, err error) {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	f := c.h.fates[body]
	if f == nil {
		return
	}
	if !c.inVain() && refused(err) && !isFull(err) && time.Since(received) < visibility {
		c.h.complain("%s could not be deleted within its visibility timeout: %v", body, err)
	}
	if !c.counts(err) {
		return
	}
	if f.queue.dead != "" && time.Since(received) >= visibility {
		return // it may have gone to the dead-letter queue, where this receipt handle means nothing
	}
	f.deleted, f.gone = yes, c.h.tick
}

// received holds what a receive answered against what is known. It reports whether the answer counts.
func (c call) received(q *queue, list []message, err error) bool {
	h := c.h
	h.mu.Lock()
	defer h.mu.Unlock()
	if !c.counts(err) {
		return false
	}
	here := map[*fate]bool{}
	for _, m := range list {
		body := m.name()
		f := h.fates[body]
		switch {
		case f == nil || f.sent == no:
			h.complain("%s: received %q, which nobody sent", q.name, body)
			continue
		case f.deleted == yes && f.gone < c.tick:
			h.complain("%s: %s was received after its deletion was acknowledged (receive %s)", q.name, body, m.Attributes["ApproximateReceiveCount"])
		case here[f]:
			h.complain("%s: %s was received twice at once: %s", q.name, body, ids(list, body))
		case !strings.HasSuffix(m.Body, m.tail()):
			h.complain("%s: %s is damaged", q.name, body)
		}
		if q.strict {
			if f.sent == yes && f.id != m.MessageId {
				h.complain("%s: %s is there twice: %s was acknowledged, %s received", q.name, body, f.id, m.MessageId)
			}
			if s := m.Attributes["SequenceNumber"]; s != "" && f.sent == yes && f.number != s {
				h.complain("%s: %s has sequence number %s, acknowledged was %s", q.name, body, s, f.number)
			}
			for _, before := range h.groups[q.name+"|"+f.group] {
				if before == f {
					break
				}
				if before.sent == yes && before.deleted == no && !here[before] {
					h.complain("%s: %s was received before message %d of its group, which is still there", q.name, body, before.n)
					break
				}
			}
		}
		here[f] = true
	}
	return true
}

// missing are the messages that must be there, and are not known to have been taken out.
func (h *history) missing() (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for body, f := range h.fates {
		if f.sent == yes && f.deleted == no && !f.expires {
			list = append(list, body)
		}
	}
	return list
}

// settle ends what stayed uncertain, after everything was drained: what is not there by now never will be.
func (h *history) settle() (messages int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tick++
	for _, f := range h.fates {
		if f.deleted != yes {
			f.deleted, f.gone = yes, h.tick
		}
	}
	clear(h.groups)
	return len(h.fates)
}

// ids says which of the messages have a body.
func ids(list []message, name string) (s string) {
	for _, m := range list {
		if m.name() == name {
			s += fmt.Sprintf("id %s, sequence number %s, receive %s; ", m.MessageId, m.Attributes["SequenceNumber"], m.Attributes["ApproximateReceiveCount"])
		}
	}
	return s
}
