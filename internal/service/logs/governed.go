package logs

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/lang/insights"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/service/logs/rules"
	"github.com/obidos-cloud/obidos/internal/service/logs/shape"
	"github.com/obidos-cloud/obidos/internal/store"
)

// ruled is a group as its rules know it.
func (g *groupRecord) ruled() rules.Group { return rules.Group{Number: g.Number, Class: g.Class} }

// ruledGroups implements rules.Groups.
type ruledGroups struct{ *Service }

func (s ruledGroups) Find(tx *store.Tx, name string) (rules.Group, bool) {
	g, ok := s.tables.groups.Get(tx, name)
	return g.ruled(), ok
}

func (s ruledGroups) Observe(tx *store.Tx) { s.tables.Observe(tx) }

// Changing tells the feed what a group was and is.
func (s ruledGroups) Changing(ctx context.Context, tx *store.Tx, name string) (done func()) {
	g, ok := s.tables.groups.Get(tx, name)
	if !ok || !s.o.Changes.Watched(groupType) {
		return func() {}
	}
	was := s.groupText(tx, name, &g)
	return func() {
		s.o.Changes.Became(ctx, tx, groupType, groupARN(tx.Scope(), name)+":*", was, s.groupText(tx, name, &g))
	}
}

// Needs implements auth.Needer: who wants to see what is masked needs another permission.
func (s *Service) Needs(_ *model.Operation, in any) []string {
	unmask := false
	switch in := in.(type) {
	case *logsapi.GetLogEventsInput:
		unmask = in.Unmask.V
	case *logsapi.FilterLogEventsInput:
		unmask = in.Unmask.V
	case *logsapi.GetLogRecordInput:
		unmask = in.Unmask.V
	case *logsapi.StartQueryInput:
		q, err := insights.Parse(in.QueryString)
		unmask = err == nil && q.Unmasks()
	}
	if unmask {
		return []string{"logs:Unmask"}
	}
	return rules.Needs(in)
}

// Ask implements rules.Carrier: the destination of a subscription filter is told a test message.
func (s *Service) Ask(ctx context.Context, p rules.AccountPolicy) error {
	if p.Type != logsapi.PolicyTypeSUBSCRIPTIONFILTERPOLICY {
		return nil
	}
	return s.Filters.AskAccount(ctx, p.Document)
}

// Carry implements rules.Carrier.
func (s *Service) Carry(_ context.Context, tx *store.Tx, p rules.AccountPolicy) error {
	if p.Type == logsapi.PolicyTypeSUBSCRIPTIONFILTERPOLICY {
		return s.Filters.CarryAccount(tx, p.Name, p.Document, p.Criteria)
	}
	if p.Type != logsapi.PolicyTypeTRANSFORMERPOLICY {
		return invalid("Account policies of the type %s are not served.", p.Type)
	}
	if p.Document != "" {
		if err := shape.CheckTransformer(p.Document); err != nil {
			return err
		}
	}
	s.TransformAccount(tx, p.Name, p.Document, p.Criteria)
	return nil
}

// hidden has a search look at messages as they may be shown: who may not see something may not look for it either.
func (q *query) hidden(v *rules.Veil) {
	if v == nil {
		return
	}
	q.mask = v.Mask
	if starred(q.terms) {
		q.terms = nil
	}
}

// starred reports whether one of terms may have been made by masking: what was sent need not have it.
func starred(terms []string) bool {
	return slices.ContainsFunc(terms, func(t string) bool { return strings.Contains(t, "*") })
}

// veils are those of the groups of a query, by the names that its events have for them; nil where there are none.
func (s *Service) veils(tx *store.Tx, groups []string) (map[string]*rules.Veil, error) {
	var all map[string]*rules.Veil
	for _, name := range groups {
		g, ok := s.tables.groups.Get(tx, name)
		if !ok {
			continue
		}
		v, err := s.VeilOf(tx, g.ruled())
		if err != nil {
			return nil, err
		}
		if v != nil {
			if all == nil {
				all = map[string]*rules.Veil{}
			}
			all[tx.Scope().Account+":"+name] = v
		}
	}
	return all, nil
}

// report is what is to be written about a batch.
type report struct {
	group   string
	batches []batch
}

// packed are reports ready to be written.
func (s *Service) packed(reports []rules.Report) (all []report) {
	for _, r := range reports {
		p := report{group: r.Group}
		for _, events := range r.Batches {
			p.batches = append(p.batches, s.batchOf(events))
		}
		all = append(all, p)
	}
	return all
}

// writeReports writes reports in the commit of the events that they are about, into streams called as theirs are: so there is one of
// each, and writers of different streams do not meet. A group that is gone gets none.
func (s *Service) writeReports(tx *store.Tx, reports []report, group, stream string) {
	for _, to := range reports {
		g, ok := s.tables.groups.Get(tx, to.group)
		if !ok {
			continue
		}
		name := strings.Trim(group, "/") + "/" + stream
		if len(name) > maxStreamName {
			name = name[len(name)-maxStreamName:]
			for !utf8.RuneStart(name[0]) {
				name = name[1:]
			}
		}
		r, ok := s.tables.streams.Get(tx, g.Number, name)
		if !ok {
			r = streamRecord{number: s.tables.number(tx, g.Number), created: tx.Now().UnixMilli()}
		}
		for _, b := range to.batches {
			b.head.stream = name
			s.add(tx, to.group, &g, &r, b)
		}
	}
}

const maxStreamName = 512
