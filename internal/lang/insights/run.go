package insights

import (
	"context"
	"iter"
	"strings"
)

// row is what passes through the phases: an event, or the values that a command made.
type row struct {
	event   *Event
	raw     string // the message before it was masked
	slots   []value
	cells   []cell // of a group, while a stats command writes its row
	fields  []value
	scanned bool
	program *program
	now     int64
	joins   []*join
}

// scan finds the fields of a message.
func (r *row) scan() {
	clear(r.fields)
	r.scanned = true
	if doc := document(r.event); doc != "" {
		scan(doc, r.program.names, len(r.fields), r.fields)
		return
	}
	for i, name := range r.program.fields {
		r.fields[i] = discover(r.event.Message, name)
	}
}

// unmasked computes a value from the message as it was sent.
func (r *row) unmasked(e eval) value {
	masked := r.event.Message
	if r.raw == "" || r.raw == masked {
		return e(r)
	}
	r.event.Message, r.scanned = r.raw, false
	v := e(r)
	r.event.Message, r.scanned = masked, false
	return v
}

// sink collects the rows of a phase, and gives them on when there are no more.
type sink interface {
	push(*row) error
	drain(give func(*row) error) error
}

// run is one run of a query.
type run struct {
	program *program
	options Options
	limit   int
	memory  int // bytes that may still be kept
	earlier bool
	row     row
	sinks   []sink
	joins   []*join // by lookup
	stats   Statistics
}

func newRun(p *program, o Options) (*run, error) {
	r := &run{program: p, options: o, limit: o.Limit, memory: o.Memory}
	if r.limit <= 0 {
		r.limit = DefaultLimit
	}
	if r.memory <= 0 {
		r.memory = DefaultMemory
	}
	for i, l := range p.lookups {
		j, err := r.join(l, p.matched[i])
		if err != nil {
			return nil, err
		}
		r.joins = append(r.joins, j)
	}
	r.row = r.newRow()
	for _, ph := range p.phases {
		r.sinks = append(r.sinks, ph.sink(r))
	}
	return r, nil
}

func (r *run) newRow() row {
	return row{slots: make([]value, r.program.slots), fields: make([]value, len(r.program.fields)), program: r.program, now: r.options.Now, joins: r.joins}
}

// keep takes bytes from what may be kept, or gives them back.
func (r *run) keep(bytes int) error {
	if r.memory -= bytes; r.memory < 0 {
		return ErrMemory
	}
	return nil
}

func (r *run) read(ctx context.Context, events iter.Seq[Event]) error {
	steps, first := r.program.phases[0].steps, r.sinks[0]
	row := &r.row
	var event Event
	row.event = &event
	n := 0
next:
	for event = range events {
		if n++; n&1023 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		r.stats.RecordsScanned++
		r.stats.BytesScanned += float64(len(event.Message))
		if r.options.Mask != nil {
			row.raw = event.Message
			event.Message = r.options.Mask(&event)
		}
		row.scanned = false
		ahead := steps
		if event.Passed && r.program.filters {
			ahead = steps[r.program.screen:]
		}
		for _, s := range ahead {
			if !s(row) {
				continue next
			}
		}
		if !r.earlier {
			r.stats.RecordsMatched++
		}
		if err := first.push(row); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (r *run) finish() (Result, error) {
	result := Result{}
	for i, s := range r.sinks {
		give := func(row *row) error {
			result.Rows = append(result.Rows, r.show(row))
			return nil
		}
		if i+1 < len(r.sinks) {
			steps, next := r.program.phases[i+1].steps, r.sinks[i+1]
			give = func(row *row) error {
				for _, s := range steps {
					if !s(row) {
						return nil
					}
				}
				return next.push(row)
			}
		}
		if err := s.drain(give); err != nil {
			return Result{}, err
		}
		r.sinks[i] = nil
	}
	result.Statistics = r.stats
	return result, nil
}

// show writes a row of the result.
func (r *run) show(row *row) []Field {
	out := make([]Field, 0, len(r.program.columns)+1)
	ptr := false
	for _, c := range r.program.columns {
		if v := c.eval(row); v.kind != missing {
			out = append(out, Field{Name: c.name, Value: strings.Clone(v.String())})
			ptr = ptr || c.name == "@ptr"
		}
	}
	if r.program.events && !ptr {
		out = append(out, Field{Name: "@ptr", Value: row.event.Ptr})
	}
	return out
}
