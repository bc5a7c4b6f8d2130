package platform

import (
	"io"
	"runtime/metrics"
	"time"

	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// writeMetrics writes what Prometheus is to know, in its text format: of this process first, then of the calls it served.
func (p *Platform) writeMetrics(w io.Writer, l *life) error {
	m := telemetry.NewMetrics(w)
	m.Gauge("obidos_info", "Which obidos this is.", 1, "version", p.o.Version)
	m.Gauge("obidos_uptime_seconds", "Since it was started.", time.Since(p.started).Seconds())
	m.Gauge("obidos_clock_offset_seconds", "How far the platform's clock is ahead of the machine's.", l.clock.Offset().Seconds())
	tasks := l.tasks.Stats()
	m.Gauge("obidos_tasks_running", "Tasks under way.", float64(tasks.Running))
	m.Gauge("obidos_tasks_waiting", "Tasks that wait in memory: read ahead, or to be tried again.", float64(tasks.Held))
	for _, s := range []struct{ name, source, help string }{
		{"go_goroutines", "/sched/goroutines:goroutines", "Goroutines that exist."},
		{"go_memory_bytes", "/memory/classes/total:bytes", "Memory that the Go runtime has from the system."},
		{"go_heap_bytes", "/memory/classes/heap/objects:bytes", "Memory of objects, in use and not yet freed."},
	} {
		sample := []metrics.Sample{{Name: s.source}}
		metrics.Read(sample)
		if sample[0].Value.Kind() == metrics.KindUint64 {
			m.Gauge(s.name, s.help, float64(sample[0].Value.Uint64()))
		}
	}
	if err := m.Flush(); err != nil {
		return err
	}
	return l.recorder.WritePrometheus(w)
}
