package telemetry

import "slices"

// CountCalls adds to each service that has a place in calls the number of its calls so far.
func (r *Recorder) CountCalls(calls map[string]uint64) {
	r.mu.RLock()
	all := slices.Clone(r.calls)
	r.mu.RUnlock()
	for _, c := range all {
		name := c.Operation.Service.Name
		if _, ok := calls[name]; !ok {
			continue
		}
		for _, n := range c.byStatus() {
			calls[name] += n
		}
	}
}
