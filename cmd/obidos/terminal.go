package main

import "os"

// isTerminal reports whether somebody watches f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Mode()&os.ModeDevice != 0 && f.Name() != os.DevNull
}

// painter colours words for a terminal, and leaves them alone elsewhere.
type painter bool

// paint is the painter for what is written to f. Colours can be had for other files too, and be done without.
func paint(f *os.File) painter {
	if os.Getenv("NO_COLOR") != "" {
		return false
	}
	return painter(os.Getenv("FORCE_COLOR") != "" || isTerminal(f) && os.Getenv("TERM") != "dumb")
}

func (p painter) in(code, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) bold(s string) string   { return p.in("1", s) }
func (p painter) dim(s string) string    { return p.in("2", s) }
func (p painter) red(s string) string    { return p.in("31", s) }
func (p painter) green(s string) string  { return p.in("32", s) }
func (p painter) yellow(s string) string { return p.in("33", s) }
func (p painter) cyan(s string) string   { return p.in("36", s) }
