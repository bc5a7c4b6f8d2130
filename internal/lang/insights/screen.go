package insights

// Screen returns a test that events pass if the query may match them: its filters, up to the first command that collects rows. Where
// Run is given only those that pass, with Passed set, its answer is the same, so that several goroutines can share the work of
// looking through events; what is left out is to be added to the statistics. A test is for one goroutine. It is nil of a query that
// filters nothing before it collects, of one that is to be run with a Mask, and of one with lookups.
func (q *Query) Screen() func(e *Event) bool {
	p := q.program
	if p.screen == 0 || q.options.Mask != nil || len(p.lookups) > 0 {
		return nil
	}
	r := run{program: p, options: q.options}
	row := r.newRow()
	steps := p.phases[0].steps[:p.screen]
	return func(e *Event) bool {
		row.event, row.scanned = e, false
		for _, s := range steps {
			if !s(&row) {
				return false
			}
		}
		return true
	}
}
