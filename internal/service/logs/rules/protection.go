package rules

import (
	"slices"
	"strings"
	"sync"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/lang/dataprotection"
	"github.com/obidos-cloud/obidos/internal/store"
)

// protectionRecord is a data protection policy from a time on. Events stay as they were sent: what of one is sensitive is found when
// it is shown, by the policies that held when it came. So those that came before a policy are not masked, and those that came under
// one stay so when it is gone.
type protectionRecord struct {
	store.Unknown
	Document string `cbor:"1,keyasint,omitempty"` // none where from then on nothing is looked for
	Updated  int64  `cbor:"2,keyasint"`           // milliseconds
}

// maxProtections is how many versions of a policy are told apart. Beyond it two of the oldest become one that masks no less.
const maxProtections = 100

// protect has a policy hold from now on, or, where its document is empty, none from the next millisecond on: what came until now was
// promised to be masked. It is false where nothing has changed.
func protect(tx *store.Tx, table *store.Table[protectionRecord], document string, key ...any) bool {
	var froms []int64
	var all []protectionRecord
	for k, r := range table.Scan(tx, store.ScanOptions{}, key...) {
		froms, all = append(froms, k.Int64(len(key))), append(all, r)
	}
	at := func(from int64) []any { return append(slices.Clone(key), from) }
	now, n := tx.Now().UnixMilli(), len(all)
	was := protectionRecord{}
	if n > 0 {
		was = all[n-1]
	}
	if was.Document == document {
		if document != "" {
			was.Updated = now
			table.Set(tx, was, at(froms[n-1])...)
		}
		return false
	}
	from := now
	if document == "" {
		from++
	}
	for n > 0 && froms[n-1] >= from {
		n--
		table.Delete(tx, at(froms[n])...)
	}
	table.Set(tx, protectionRecord{Document: document, Updated: now}, at(from)...)
	if n >= maxProtections {
		if all[1].Document == "" {
			table.Delete(tx, at(froms[1])...)
		} else {
			table.Delete(tx, at(froms[1])...)
			table.Set(tx, all[1], at(froms[0])...)
		}
	}
	return true
}

// protection is the policy that holds now; false where none does.
func protection(tx *store.Tx, table *store.Table[protectionRecord], key ...any) (r protectionRecord, ok bool) {
	for _, r = range table.Scan(tx, store.ScanOptions{Reverse: true, Limit: 1}, key...) {
		ok = r.Document != ""
	}
	return r, ok
}

// sought is what policies look for.
type sought struct {
	*dataprotection.Finder
	group string // that the first of them wants findings sent to
}

// finders are those that were used lately, by the documents they were made of.
type finders struct {
	mu  sync.Mutex
	all map[[2]string]sought
}

const maxFinders = 256

func (f *finders) of(documents [2]string) (sought, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if have, ok := f.all[documents]; ok {
		return have, nil
	}
	var policies []*dataprotection.Policy
	for _, text := range documents {
		if text == "" {
			continue
		}
		p, err := dataprotection.Parse(text)
		if err != nil {
			return sought{}, err // it was checked when it came
		}
		policies = append(policies, p)
	}
	if f.all == nil || len(f.all) >= maxFinders {
		f.all = map[[2]string]sought{}
	}
	made := sought{Finder: dataprotection.NewFinder(policies...)}
	if documents[0] != "" {
		made.group = strings.TrimSuffix(policies[0].Destinations.LogGroup, ":*")
	}
	f.all[[2]string{strings.Clone(documents[0]), strings.Clone(documents[1])}] = made
	return made, nil
}

// Veil is what hides sensitive data in the events of a group. A nil Veil hides nothing: most groups have none.
type Veil struct {
	from    []int64 // times of ingestion from which on
	finders []*dataprotection.Finder
}

// Mask is a message of a group as it may be shown. ingested is when it came.
func (v *Veil) Mask(ingested int64, message string) string {
	if v == nil {
		return message
	}
	i, ok := slices.BinarySearch(v.from, ingested)
	if !ok {
		i--
	}
	if i < 0 || v.finders[i] == nil {
		return message
	}
	return v.finders[i].Mask(message)
}

// VeilOf is the veil of a group: by its own policies and by its account's.
func (s *Rules) VeilOf(tx *store.Tx, g Group) (*Veil, error) {
	account, _ := s.accounts.Get(tx)
	if state, _ := s.states.Get(tx, g.Number); state.Protection == "" && !account.Protected || !protectable(g) {
		return nil, nil
	}
	type version struct {
		from  int64
		of    int
		value string
	}
	var all []version
	for k, r := range s.protections.Scan(tx, store.ScanOptions{}, g.Number) {
		all = append(all, version{k.Int64(1), 0, r.Document})
	}
	for k, r := range s.accountProtections.Scan(tx, store.ScanOptions{}) {
		all = append(all, version{k.Int64(0), 1, r.Document})
	}
	slices.SortStableFunc(all, func(a, b version) int { return int(min(max(a.from-b.from, -1), 1)) })
	v := &Veil{}
	var holds [2]string
	for i, x := range all {
		holds[x.of] = x.value
		if i+1 < len(all) && all[i+1].from == x.from {
			continue
		}
		var f *dataprotection.Finder
		if holds != [2]string{} {
			x, err := s.finders.of(holds)
			if err != nil {
				return nil, err
			}
			f = x.Finder
		}
		v.from, v.finders = append(v.from, x.from), append(v.finders, f)
	}
	if len(v.from) == 0 {
		return nil, nil
	}
	return v, nil
}

// Masked are events as they are shown to what looks at them when they come.
func (v *Veil) Masked(events []logsapi.InputLogEvent, now int64) []logsapi.InputLogEvent {
	if v == nil {
		return events
	}
	events = slices.Clone(events)
	for i := range events {
		events[i].Message = v.Mask(now, events[i].Message)
	}
	return events
}

// VeilFor is the veil of a group for who does not want, or may not want, to see all.
func (s *Rules) VeilFor(tx *store.Tx, g Group, unmask bool) (*Veil, error) {
	if unmask {
		return nil, nil
	}
	return s.VeilOf(tx, g)
}

// accountProtection is the policy that a group has from its account; false where it has none.
func (s *Rules) accountProtection(tx *store.Tx, g Group) (r protectionRecord, ok bool) {
	if account, _ := s.accounts.Get(tx); !account.Protected || !protectable(g) {
		return r, false
	}
	return protection(tx, &s.accountProtections)
}
