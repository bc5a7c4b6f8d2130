package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
)

// newLogger writes JSON lines, or lines for a person where somebody watches.
func newLogger(w *os.File, level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	if format == "pretty" || format == "auto" && isTerminal(w) {
		return slog.New(&prettyHandler{w: w, paint: paint(w), level: l, mu: new(sync.Mutex)})
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l}))
}

// prettyHandler writes "15:04:05.000 INFO message key=value" lines.
type prettyHandler struct {
	level  slog.Level
	paint  painter
	attrs  string
	prefix string // of keys: the groups

	mu *sync.Mutex // guards w
	w  io.Writer
}

func (h *prettyHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *prettyHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(h.paint.dim(r.Time.Format("15:04:05.000")))
	b.WriteByte(' ')
	level := (r.Level.String() + "     ")[:5]
	switch {
	case r.Level >= slog.LevelError:
		level = h.paint.red(level)
	case r.Level >= slog.LevelWarn:
		level = h.paint.yellow(level)
	case r.Level < slog.LevelInfo:
		level = h.paint.dim(level)
	}
	b.WriteString(level)
	b.WriteByte(' ')
	b.WriteString(r.Message)
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		h.write(&b, a)
		return true
	})
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, b.String())
	return err
}

func (h *prettyHandler) write(b *strings.Builder, a slog.Attr) {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	if v.Kind() == slog.KindGroup {
		inner := *h
		if a.Key != "" {
			inner.prefix += a.Key + "."
		}
		for _, one := range v.Group() {
			inner.write(b, one)
		}
		return
	}
	b.WriteString(h.paint.dim(" " + h.prefix + a.Key + "="))
	b.WriteString(quoted(v.String()))
}

func (h *prettyHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		h.write(&b, a)
	}
	with := *h
	with.attrs += b.String()
	return &with
}

func (h *prettyHandler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.prefix += name + "."
	}
	return &with
}
