package insights

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Patterns are found as the Drain algorithm does it: lines of as many words that begin alike and agree in more than half of their
// words have one pattern, and where they differ, and where a word is a number, a time, an address or an id, it has a token. Which
// patterns AWS finds in the same lines is not said; the columns are AWS's.
const (
	maxPatterns = 10_000
	maxWords    = 200 // of a line; the rest of it is not looked at
	likeness    = 0.6
)

func (c *compiler) patternCommand(n *node, rest []command) error {
	e, err := c.eval(n)
	if err != nil {
		return err
	}
	if c.closed != "" {
		return c.fail(n.start, n.end, "pattern cannot follow %s at %s", c.closed, c.place(n.start))
	}
	diff := len(rest) > 0 && rest[0].name == "diff"
	if diff {
		if len(c.phases) > 0 {
			return c.fail(rest[0].start, rest[0].end, "diff can only follow commands that work on single events, and pattern, at %s", c.place(rest[0].start))
		}
		c.diff, c.paired = rest[0].modifier, true
	}
	columns := []string{"@pattern", "@ratio", "@sampleCount", "@severityLabel"}
	if diff {
		columns = append(columns, "@previousSampleCount", "@sampleCountDifference", "@differenceDescription")
	}
	slots := make([]int, len(columns))
	for i := range columns {
		slots[i] = c.slot()
	}
	c.end(func(r *run) sink { return &patterns{run: r, of: e, slots: slots, clusters: map[string][]*cluster{}} })
	c.close("pattern")
	for i, name := range columns {
		c.scope.slots[name] = slots[i]
		c.shown = append(c.shown, output{name: name, eval: slotEval(slots[i])})
	}
	return nil
}

// cluster is a pattern: words, of which some are tokens.
type cluster struct {
	words    []string // a word, or the kind of a token in front of which stands a zero byte
	gaps     []string // what stands before each word, and at the end
	now, old int64
	severity string
	seq      int
}

type patterns struct {
	run      *run
	of       eval
	slots    []int
	clusters map[string][]*cluster // by their length and first word
	count    int
	total    int64
	words    []string
	gaps     []string
	key      []byte
}

const variable = "\x00" // in front of a kind of token

func separator(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\r', ',', ';', '=', '"', '\'', '(', ')', '[', ']', '{', '}', '<', '>', '|':
		return true
	}
	return false
}

// split cuts a line into words and what stands between them.
func (p *patterns) split(s string) {
	p.words, p.gaps = p.words[:0], p.gaps[:0]
	for len(p.words) < maxWords {
		i := 0
		for i < len(s) && separator(s[i]) {
			i++
		}
		p.gaps = append(p.gaps, s[:i])
		if s = s[i:]; s == "" {
			return
		}
		i = 0
		for i < len(s) && !separator(s[i]) {
			i++
		}
		p.words = append(p.words, classify(s[:i]))
		s = s[i:]
	}
	p.gaps = append(p.gaps, "")
}

// classify makes a token of a word that is bound to differ.
func classify(w string) string {
	digits, dots, colons, hyphens := 0, 0, 0, 0
	for i := range len(w) {
		switch c := w[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			dots++
		case c == ':':
			colons++
		case c == '-':
			hyphens++
		}
	}
	if digits == 0 {
		return w
	}
	bare := strings.TrimRight(w, ".:!?")
	if len(bare) <= 60 && (dots >= 3 || colons >= 2) { // an address that cannot be parsed costs memory
		if _, err := netip.ParseAddr(bare); err == nil {
			return variable + "IP"
		}
		if _, err := netip.ParseAddrPort(bare); err == nil {
			return variable + "IP"
		}
	}
	if len(bare) == 36 && bare[8] == '-' && bare[13] == '-' && bare[18] == '-' && bare[23] == '-' {
		return variable + "UUID"
	}
	if len(bare) >= 8 && digits >= 4 && colons == 2 {
		return variable + "Time"
	}
	if len(bare) >= 8 && len(bare) <= 10 && digits >= 6 && (hyphens == 2 || strings.Count(bare, "/") == 2) {
		return variable + "Date"
	}
	if _, ok := parseNumber(bare); ok {
		return variable + "Number"
	}
	return variable + "Token"
}

func (p *patterns) push(r *row) error {
	v := p.of(r)
	if v.kind == missing {
		return nil
	}
	line := v.String()
	p.split(line)
	first := ""
	if len(p.words) > 0 {
		first = p.words[0]
	}
	p.key = append(append(strconv.AppendInt(p.key[:0], int64(len(p.words)), 10), ' '), first...)
	c := p.find(p.clusters[string(p.key)])
	if c == nil {
		if p.count == maxPatterns {
			return ErrMemory
		}
		p.count++
		c = &cluster{words: slices.Clone(p.words), gaps: slices.Clone(p.gaps), severity: severity(line), seq: p.count}
		for i := range c.words {
			c.words[i] = strings.Clone(c.words[i])
		}
		for i := range c.gaps {
			c.gaps[i] = strings.Clone(c.gaps[i])
		}
		if err := p.run.keep(200 + len(line) + 32*len(c.words) + len(p.key)); err != nil {
			return err
		}
		key := string(p.key)
		p.clusters[key] = append(p.clusters[key], c)
	} else {
		for i, w := range p.words {
			if c.words[i] != w {
				c.words[i] = variable + "Token"
			}
		}
	}
	if p.run.earlier {
		c.old++
	} else {
		c.now++
		p.total++
	}
	return nil
}

// find returns the cluster that is most like the words.
func (p *patterns) find(among []*cluster) *cluster {
	var best *cluster
	most := -1
	for _, c := range among {
		same, wild := 0, 0
		for i, w := range p.words {
			switch c.words[i] {
			case w:
				same++
			case variable + "Token":
				wild++
			}
		}
		if float64(same+wild) >= likeness*float64(len(p.words)) && same > most {
			best, most = c, same
		}
	}
	return best
}

// severity is the level that a line names first.
func severity(line string) string {
	best, label := len(line), "None"
	head := strings.ToLower(line[:min(len(line), 1000)])
	for _, l := range strings.Fields("fatal=Error error=Error exception=Error critical=Error warn=Warning info=Info debug=Debug trace=Debug") {
		name, meaning, _ := strings.Cut(l, "=")
		if i := strings.Index(head, name); i >= 0 && i < best {
			best, label = i, meaning
		}
	}
	return label
}

// String is the pattern with its tokens numbered, those of each kind from 1.
func (c *cluster) String() string {
	var b strings.Builder
	n := map[string]int{}
	for i, w := range c.words {
		b.WriteString(c.gaps[i])
		if kind, ok := strings.CutPrefix(w, variable); ok {
			n[kind]++
			fmt.Fprintf(&b, "<%s-%d>", kind, n[kind])
			continue
		}
		b.WriteString(w)
	}
	if len(c.gaps) > len(c.words) {
		b.WriteString(c.gaps[len(c.words)])
	}
	return b.String()
}

func (p *patterns) drain(give func(*row) error) error {
	var all []*cluster
	for _, list := range p.clusters {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(x, y *cluster) int { return cmp.Or(cmp.Compare(y.now, x.now), cmp.Compare(x.seq, y.seq)) })
	r := p.run.newRow()
	for _, c := range all {
		if len(p.slots) == 4 && c.now == 0 {
			continue
		}
		ratio := 0.0
		if p.total > 0 {
			ratio = float64(c.now) / float64(p.total)
		}
		values := []value{textOf(c.String()), numberOf(ratio), numberOf(float64(c.now)), textOf(c.severity)}
		if len(p.slots) > 4 {
			change := "same"
			switch {
			case c.old == 0:
				change = "new"
			case c.now == 0:
				change = "gone"
			case c.now != c.old:
				change = fmt.Sprintf("%+.0f%%", 100*float64(c.now-c.old)/float64(c.old))
			}
			values = append(values, numberOf(float64(c.old)), numberOf(float64(c.now-c.old)), textOf(change))
		}
		for i, slot := range p.slots {
			r.slots[slot] = values[i]
		}
		if err := give(&r); err != nil {
			return err
		}
	}
	p.clusters = nil
	return nil
}
