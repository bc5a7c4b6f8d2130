package rules

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/lang/dataprotection"
	"github.com/obidos-cloud/obidos/internal/store"
)

// finding is AWS's report of the sensitive data in one event.
type finding struct {
	AuditTimestamp  string             `json:"auditTimestamp"`
	ResourceArn     string             `json:"resourceArn"`
	DataIdentifiers []findingOfOneKind `json:"dataIdentifiers"`
}

type findingOfOneKind struct {
	Name       string      `json:"name"`
	Count      int         `json:"count"`
	Detections []detection `json:"detections"`
}

// detection is where something was found, by characters.
type detection struct {
	Start int `json:"start"`
	End   int `json:"end"`
}

// Intake is what is done with the events that come to a group now. With those of most groups nothing is.
type Intake struct {
	Veil   *Veil
	Fields []string // are indexed
	audits []sought // who wants to be told of what is found
}

// IntakeOf is that of a group of that name: by its policies, its own and its account's.
func (s *Rules) IntakeOf(tx *store.Tx, name string, g Group) (p Intake, err error) {
	account, _ := s.accounts.Get(tx)
	state, _ := s.states.Get(tx, g.Number)
	if account.Indexed || state.Indexed {
		p.Fields = s.IndexedFields(tx, name, g)
	}
	if !account.Protected && state.Protection == "" {
		return p, nil
	}
	if p.Veil, err = s.VeilOf(tx, g); err != nil || p.Veil == nil {
		return p, err
	}
	add := func(r protectionRecord, ok bool) error {
		if !ok {
			return nil
		}
		x, err := s.finders.of([2]string{r.Document})
		if x.group != "" {
			p.audits = append(p.audits, x)
		}
		return err
	}
	if err := add(protection(tx, &s.protections, g.Number)); err != nil {
		return p, err
	}
	return p, add(s.accountProtection(tx, g))
}

// Report is what a group is to be told of the sensitive data in a batch of another's events: batches of events.
type Report struct {
	Group   string
	Batches [][]logsapi.InputLogEvent
}

const (
	maxBatch = 1 << 20 // bytes, with perEvent for each event
	perEvent = 26
)

// Reports looks for sensitive data in events of the group of an ARN.
func (p *Intake) Reports(arn string, events []logsapi.InputLogEvent, now time.Time) (all []Report) {
	for _, a := range p.audits {
		r := Report{Group: a.group}
		var batch []logsapi.InputLogEvent
		bytes := 0
		for i := range events {
			text := reportOf(a.Find(events[i].Message), events[i].Message, arn, now)
			if text == "" {
				continue
			}
			if bytes += len(text) + perEvent; bytes > maxBatch {
				r.Batches, batch, bytes = append(r.Batches, batch), nil, len(text)+perEvent
			}
			batch = append(batch, logsapi.InputLogEvent{Timestamp: now.UnixMilli(), Message: text})
		}
		if len(batch) > 0 {
			r.Batches = append(r.Batches, batch)
			all = append(all, r)
		}
	}
	return all
}

// reportOf is the report of one event; empty where nothing was found in it.
func reportOf(found []dataprotection.Finding, message, arn string, now time.Time) string {
	if len(found) == 0 {
		return ""
	}
	r := finding{AuditTimestamp: now.UTC().Format(time.RFC3339), ResourceArn: arn}
	for _, f := range found { // those of an identifier stand together
		if n := len(r.DataIdentifiers); n == 0 || r.DataIdentifiers[n-1].Name != f.Identifier {
			r.DataIdentifiers = append(r.DataIdentifiers, findingOfOneKind{Name: f.Identifier})
		}
		d := &r.DataIdentifiers[len(r.DataIdentifiers)-1]
		d.Count++
		start := utf8.RuneCountInString(message[:f.Start]) + 1
		d.Detections = append(d.Detections, detection{start, start + utf8.RuneCountInString(message[f.Start:f.End]) - 1})
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // it is made of strings and numbers
	}
	return string(b)
}
