// Command picture runs a program and draws what it says on a terminal as an SVG: the picture in the README.
//
//	go run ./cmd/picture -o docs/demo.svg -title "make demo" -- bin/obidos demo
package main

import (
	"context"
	"flag"
	"fmt"
	"html"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"unicode/utf8"
)

func main() {
	out := flag.String("o", "", "the file to write")
	title := flag.String("title", "", "what the window is called")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := draw(ctx, *out, *title, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func draw(ctx context.Context, out, title string, command []string) error {
	if out == "" || len(command) == 0 {
		return fmt.Errorf("usage: picture -o FILE.svg [-title TITLE] -- COMMAND [ARGUMENT...]")
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "FORCE_COLOR=1")
	cmd.Stderr = os.Stderr
	said, err := cmd.Output()
	if err != nil {
		return err
	}
	return os.WriteFile(out, []byte(svg(title, strings.Split(strings.TrimRight(string(said), "\n"), "\n"))), 0o644)
}

// The size of a character cell and of what is around the text, in pixels.
const (
	cell, row   = 7.8, 19
	side, above = 22, 56
	below       = 20
)

// colours of the escape codes that programs of ours use.
var colours = map[string]string{
	"": "#c9d1d9", "1": "#f0f6fc", "2": "#7d8590", "31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "36": "#79c0ff",
}

// svg is a window with the lines in it.
func svg(title string, lines []string) string {
	columns := 80
	var text strings.Builder
	for n, line := range lines {
		columns = max(columns, drawLine(&text, line, above+n*row))
	}
	width, height := int(float64(columns)*cell)+2*side, above+len(lines)*row+below-row/2
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n",
		width, height, width, height, html.EscapeString(title))
	fmt.Fprintf(&b, `<rect x=".5" y=".5" width="%d" height="%d" rx="9" fill="#0d1117" stroke="#30363d"/>`+"\n", width-1, height-1)
	for i, c := range []string{"#ff5f57", "#febc2e", "#28c840"} {
		fmt.Fprintf(&b, `<circle cx="%d" cy="20" r="6" fill="%s"/>`+"\n", 22+20*i, c)
	}
	fmt.Fprintf(&b, `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="13">`+"\n")
	fmt.Fprintf(&b, `<text x="%d" y="24" fill="#7d8590" text-anchor="middle">%s</text>`+"\n", width/2, html.EscapeString(title))
	b.WriteString(text.String())
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// drawLine draws a line's runs of one colour, each as wide as its cells whatever the font, and returns its columns.
func drawLine(b *strings.Builder, line string, y int) (columns int) {
	code := ""
	for line != "" {
		run, rest, more := strings.Cut(line, "\x1b[")
		if shown := strings.TrimLeft(run, " "); strings.TrimSpace(shown) != "" {
			x := side + float64(columns+len(run)-len(shown))*cell
			shown = strings.TrimRight(shown, " ")
			weight := ""
			if code == "1" {
				weight = ` font-weight="600"`
			}
			fmt.Fprintf(b, `<text x="%s" y="%d" fill="%s"%s textLength="%s" xml:space="preserve">%s</text>`+"\n", number(x), y, colours[code], weight,
				number(float64(utf8.RuneCountInString(shown))*cell), html.EscapeString(shown))
		}
		columns += utf8.RuneCountInString(run)
		if !more {
			break
		}
		code, line, _ = strings.Cut(rest, "m")
		if code == "0" {
			code = ""
		}
	}
	return columns
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 32) }
