package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
)

func logsCommand() *cobra.Command {
	var r running
	var o logsOptions
	c := r.command(&cobra.Command{
		Use:   "logs [GROUP...]",
		Short: "Print log events, as they come too, or search them; without a group, list the groups",
		Example: "  obidos logs -f /app/web /app/worker\n  obidos logs --since 2h --filter ERROR '/app/*'\n" +
			"  obidos logs --since 1d --query 'filter level = \"error\" | stats count() by bin(1h)' /app/web",
		Long: "Print log events of the last ten minutes, oldest first; a GROUP that ends in * stands for all whose names begin so.\n\n" +
			"On a terminal, events that are JSON are laid out; --raw prints them as they were written.",
	}, func(c *cobra.Command, args []string) error {
		remote, err := r.service(c.Context(), logsapi.API(), o.account)
		if err != nil {
			return err
		}
		l := &logReader{Client: logsapi.Client{Invoker: remote}, o: o, printer: printer{painter: paint(os.Stdout), w: c.OutOrStdout(), raw: o.raw || !isTerminal(os.Stdout)}, warn: c.ErrOrStderr()}
		err = l.run(c.Context(), args)
		if c.Context().Err() != nil { // it was ended, as one that follows must be
			return nil
		}
		return err
	})
	f := c.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with what comes, at once")
	f.StringVar(&o.since, "since", "10m", "from when: a `time` ago (90s, 10m, 2h, 5d), or a date (2026-11-23, 2026-11-23T18:00:00Z)")
	f.StringVar(&o.filter, "filter", "", "only what a CloudWatch Logs filter `pattern` matches")
	f.StringVar(&o.query, "query", "", "carry out a `query` of Logs Insights, and print its result")
	f.StringVar(&o.stream, "stream", "", "only of streams whose names begin with this `prefix`")
	f.BoolVar(&o.raw, "raw", false, "print messages as they are, with nothing in front")
	f.Lookup("region").Hidden = false
	f.StringVar(&o.account, "account", "", "look in this `account`, where obidos asks for no keys")
	return c
}

type logsOptions struct {
	follow, raw                           bool
	since, filter, query, stream, account string
}

// logReader prints what is in log groups.
type logReader struct {
	logsapi.Client
	o       logsOptions
	printer printer
	warn    io.Writer
}

func (l *logReader) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		if l.o.follow || l.o.query != "" || l.o.filter != "" {
			return errors.New("name the log groups; `obidos logs` lists them")
		}
		return l.list(ctx)
	}
	from, err := sinceWhen(l.o.since, time.Now())
	if err != nil {
		return err
	}
	groups, err := l.named(ctx, args)
	if err != nil {
		return err
	}
	l.printer.know(groups)
	switch {
	case l.o.query != "" && (l.o.follow || l.o.filter != "" || l.o.stream != ""):
		return errors.New("--query does not go with --follow, --filter or --stream")
	case l.o.query != "":
		return l.search(ctx, groups, from)
	case l.o.follow:
		return l.follow(ctx, groups, from)
	}
	for e, err := range l.past(ctx, groups, from) {
		if err != nil {
			return err
		}
		if err := l.printer.event(e); err != nil {
			return err
		}
	}
	return nil
}

// sinceWhen is the time that --since says, in milliseconds.
func sinceWhen(text string, now time.Time) (int64, error) {
	days, ok := strings.CutSuffix(text, "d")
	if d, err := time.ParseDuration(days + "h"); ok && err == nil && d >= 0 {
		return now.Add(-24 * d).UnixMilli(), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d).UnixMilli(), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at.UnixMilli(), nil
		}
	}
	return 0, fmt.Errorf("--since %q is neither a time ago (10m, 2h, 5d) nor a date", text)
}

// group is a log group.
type group struct{ name, arn string }

// groups are all whose names begin with prefix.
func (l *logReader) groups(ctx context.Context, prefix string) iter.Seq2[logsapi.LogGroup, error] {
	return func(yield func(logsapi.LogGroup, error) bool) {
		in := &logsapi.DescribeLogGroupsInput{LogGroupNamePrefix: aws.NonZero(prefix)}
		for {
			out, err := l.DescribeLogGroups(ctx, in)
			if err != nil {
				yield(logsapi.LogGroup{}, err)
				return
			}
			for _, g := range out.LogGroups {
				if !yield(g, nil) {
					return
				}
			}
			if in.NextToken = out.NextToken; !in.NextToken.Set {
				return
			}
		}
	}
}

// list prints the groups.
func (l *logReader) list(ctx context.Context) error {
	w := tabwriter.NewWriter(l.printer.w, 0, 0, 2, ' ', 0)
	n := 0
	for g, err := range l.groups(ctx, "") {
		if err != nil {
			return err
		}
		kept := "for ever"
		if g.RetentionInDays.Set {
			kept = fmt.Sprint(g.RetentionInDays.V, " days")
		}
		n++
		fmt.Fprintf(w, "%s\t%s\t%s\n", plain(g.LogGroupName.V, ""), size(g.StoredBytes.V), kept)
	}
	if n == 0 {
		fmt.Fprintln(l.warn, "there are no log groups")
	}
	return w.Flush()
}

// size is a number of bytes for people.
func size(n int64) string {
	f, unit := float64(n), 0
	for f >= 1000 && unit < 4 {
		f, unit = f/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprint(n, " B")
	}
	return fmt.Sprintf("%.1f %cB", f, " kMGT"[unit])
}

// named are the groups that the arguments name.
func (l *logReader) named(ctx context.Context, args []string) (list []group, err error) {
	for _, arg := range args {
		prefix, many := strings.CutSuffix(arg, "*")
		found := false
		for g, err := range l.groups(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			if !many && g.LogGroupName.V != arg {
				continue
			}
			found = true
			one := group{g.LogGroupName.V, g.LogGroupArn.V}
			if !slices.Contains(list, one) {
				list = append(list, one)
			}
			if !many {
				break
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no log group %s; `obidos logs` lists them", arg)
		}
	}
	return list, nil
}

// logEvent is an event of a group.
type logEvent struct {
	group, stream, message string
	time                   int64
}

// past are the events of all groups from a time on, in the order of their times.
func (l *logReader) past(ctx context.Context, groups []group, from int64) iter.Seq2[logEvent, error] {
	return func(yield func(logEvent, error) bool) {
		type source struct {
			next func() (logEvent, error, bool)
			head logEvent
		}
		var sources []*source
		advance := func(s *source) bool {
			e, err, ok := s.next()
			if err != nil {
				yield(e, err)
				return false
			}
			if s.head = e; !ok {
				sources = slices.DeleteFunc(sources, func(o *source) bool { return o == s })
			}
			return true
		}
		for _, g := range groups {
			next, stop := iter.Pull2(l.pages(ctx, g.name, from))
			defer stop()
			s := &source{next: next}
			if sources = append(sources, s); !advance(s) {
				return
			}
		}
		for len(sources) > 0 {
			first := slices.MinFunc(sources, func(a, b *source) int { return cmp.Compare(a.head.time, b.head.time) })
			if !yield(first.head, nil) || !advance(first) {
				return
			}
		}
	}
}

// pages are the events of a group, read page by page.
func (l *logReader) pages(ctx context.Context, name string, from int64) iter.Seq2[logEvent, error] {
	return func(yield func(logEvent, error) bool) {
		in := &logsapi.FilterLogEventsInput{
			LogGroupName: aws.Some(name), StartTime: aws.Some(max(from, 0)), FilterPattern: aws.NonZero(l.o.filter), LogStreamNamePrefix: aws.NonZero(l.o.stream),
		}
		for {
			out, err := l.FilterLogEvents(ctx, in)
			if err != nil {
				yield(logEvent{}, fmt.Errorf("%s: %w", name, err))
				return
			}
			for _, e := range out.Events {
				if !yield(logEvent{name, e.LogStreamName.V, e.Message.V, e.Timestamp.V}, nil) {
					return
				}
			}
			if in.NextToken = out.NextToken; !in.NextToken.Set {
				return
			}
		}
	}
}

// search carries out a query and prints its rows.
func (l *logReader) search(ctx context.Context, groups []group, from int64) error {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.name
	}
	begun, err := l.StartQuery(ctx, &logsapi.StartQueryInput{
		LogGroupNames: names, QueryString: l.o.query, StartTime: from / 1000, EndTime: time.Now().Add(2 * time.Hour).Unix(),
	})
	if err != nil {
		return err
	}
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		out, err := l.GetQueryResults(ctx, &logsapi.GetQueryResultsInput{QueryId: begun.QueryId.V})
		if err != nil {
			return err
		}
		switch out.Status.V {
		case logsapi.QueryStatusComplete:
			return l.rows(out.Results)
		case logsapi.QueryStatusScheduled, logsapi.QueryStatusRunning:
		default:
			return fmt.Errorf("the query ended as %s", out.Status.V)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// rows prints the result of a query.
func (l *logReader) rows(rows [][]logsapi.ResultField) error {
	var names []string
	for _, row := range rows {
		for _, f := range row {
			if f.Field.V != "@ptr" && !slices.Contains(names, f.Field.V) {
				names = append(names, f.Field.V)
			}
		}
	}
	if len(rows) == 0 {
		fmt.Fprintln(l.warn, "the query found nothing")
		return nil
	}
	w := tabwriter.NewWriter(l.printer.w, 0, 0, 2, ' ', tabwriter.StripEscape)
	line := func(cell func(name string) string) {
		for i, name := range names {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, strings.ReplaceAll(plain(strings.TrimRight(cell(name), "\n"), "\n"), "\n", " "))
		}
		fmt.Fprintln(w)
	}
	line(func(name string) string { return name })
	for _, row := range rows {
		line(func(name string) string {
			for _, f := range row {
				if f.Field.V == name {
					return f.Value.V
				}
			}
			return ""
		})
	}
	return w.Flush()
}
