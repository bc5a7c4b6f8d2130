package main

import (
	"context"
	"fmt"
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
		return slog.New(&prettyHandler{w: w, level: l, mu: new(sync.Mutex)})
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l}))
}

// prettyHandler writes "15:04:05 INFO message key=value" lines.
type prettyHandler struct {
	level slog.Level
	attrs string

	mu *sync.Mutex // guards w
	w  io.Writer
}

func (h *prettyHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *prettyHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-5s %s%s", r.Time.Format("15:04:05.000"), r.Level, r.Message, h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, a)
		return true
	})
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, b.String())
	return err
}

func writeAttr(b *strings.Builder, a slog.Attr) {
	if v := a.Value.Resolve(); !a.Equal(slog.Attr{}) {
		fmt.Fprintf(b, " %s=%s", a.Key, quoted(v.String()))
	}
}

func (h *prettyHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		writeAttr(&b, a)
	}
	return &prettyHandler{level: h.level, attrs: b.String(), mu: h.mu, w: h.w}
}

func (h *prettyHandler) WithGroup(string) slog.Handler { return h }
