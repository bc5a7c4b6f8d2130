package shape

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/insights"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// lookupRecord is a lookup table. Its content stands in parts under a version, which is written before the record names it.
type lookupRecord struct {
	store.Unknown
	Version     string            `cbor:"1,keyasint"`
	Description string            `cbor:"2,keyasint,omitempty"`
	Key         string            `cbor:"3,keyasint,omitempty"` // KMS
	Fields      []string          `cbor:"4,keyasint"`
	Rows        int64             `cbor:"5,keyasint"`
	Bytes       int64             `cbor:"6,keyasint"`
	Created     int64             `cbor:"7,keyasint"`
	Updated     int64             `cbor:"8,keyasint"`
	Tags        map[string]string `cbor:"9,keyasint,omitempty"`
}

// lookupPart is a piece of a table's CSV.
type lookupPart struct {
	store.Unknown
	Text string `cbor:"1,keyasint"`
}

// lookupVersion is content that nothing names yet: it is deleted when its time is over, unless something does by then.
type lookupVersion struct {
	Name    string `cbor:"1,keyasint"`
	Version string `cbor:"2,keyasint"`
}

const (
	maxLookups  = 100
	maxLookup   = 10 << 20 // bytes
	partBytes   = 512 << 10
	partsAtOnce = 5
	unnamed     = time.Hour // for how long content may be there that nothing names
)

func noLookup() *aws.Error {
	return logsapi.ResourceNotFoundException("The specified lookup table does not exist.")
}

func lookupARN(scope aws.Scope, name string) string { return scope.ARN("logs", "lookup-table:"+name) }

// lookupNamed is the name of the table that an ARN says.
func lookupNamed(ctx context.Context, arn string) (string, error) {
	a, ok := aws.ParseARN(arn)
	name, is := strings.CutPrefix(a.Resource, "lookup-table:")
	if !ok || !is || a.Service != "logs" || name == "" {
		return "", form.Invalid("Invalid lookup table ARN: %s", arn)
	}
	if a.Scope() != aws.RequestOf(ctx).Scope {
		return "", noLookup()
	}
	return name, nil
}

func checkLookupName(name string) error {
	for i := range len(name) {
		if c := name[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_') {
			return form.Violation(name, "lookupTableName", "satisfy regular expression pattern: ^[a-zA-Z0-9_]+$")
		}
	}
	return nil
}

// content is what a table is to have.
type content struct {
	text   string
	fields []string
	rows   int64
}

// readContent checks CSV that somebody sent.
func readContent(text string) (c content, err error) {
	if len(text) > maxLookup {
		return c, form.Invalid("The lookup table has more than 10 MB.")
	}
	if !utf8.ValidString(text) {
		return c, form.Invalid("The lookup table is not encoded in UTF-8.")
	}
	c.text = text
	err = eachRow(text, func(row []string) error {
		if c.fields == nil {
			c.fields = slices.Clone(row)
			return checkFields(c.fields)
		}
		c.rows++
		return nil
	})
	if err == nil && c.fields == nil {
		err = form.Invalid("The lookup table has no header row.")
	}
	return c, err
}

// eachRow reads CSV row by row. A row is valid until the next is read.
func eachRow(text string, fn func(row []string) error) error {
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	r.ReuseRecord = true
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if e, ok := errors.AsType[*csv.ParseError](err); ok {
			return form.Invalid("The lookup table is not valid CSV: line %d: %s.", e.Line, e.Err.Error())
		}
		if err == nil {
			err = fn(row)
		}
		if err != nil {
			return err
		}
	}
}

func checkFields(fields []string) error {
	for i, f := range fields {
		if strings.TrimSpace(f) == "" {
			return form.Invalid("Column %d of the lookup table has no name.", i+1)
		}
		if slices.Contains(fields[:i], f) {
			return form.Invalid("Two columns of the lookup table are named %s.", f)
		}
	}
	return nil
}

// contentOf is what a request has a table be made of: its body, or the result of a query.
func (s *Shapes) contentOf(ctx context.Context, body, query aws.Opt[string]) (content, error) {
	switch {
	case body.Set == query.Set:
		return content{}, form.Invalid("Exactly one of tableBody and queryId is required.")
	case body.Set:
		return readContent(body.V)
	}
	return s.contentOfQuery(ctx, query.V)
}

// contentOfQuery is the result of a query as a table: a column for every field that one of its rows has.
func (s *Shapes) contentOfQuery(ctx context.Context, id string) (c content, err error) {
	rows, err := store.View(ctx, s.space, func(tx *store.Tx) ([][][2]string, error) {
		status, _, ok := s.host.Query(tx, id)
		if !ok {
			return nil, logsapi.ResourceNotFoundException("The specified query %s does not exist.", id)
		}
		if status != string(logsapi.QueryStatusComplete) && status != string(logsapi.QueryStatusCancelled) {
			return nil, form.Invalid("The query %s is neither complete nor cancelled.", id)
		}
		return s.host.Rows(tx, id), nil
	})
	if err != nil {
		return c, err
	}
	return contentOfRows(rows)
}

func contentOfRows(rows [][][2]string) (c content, err error) {
	at := map[string]int{"@ptr": -1}
	for _, row := range rows {
		for _, f := range row {
			if _, ok := at[f[0]]; !ok {
				at[f[0]] = len(c.fields)
				c.fields = append(c.fields, f[0])
			}
		}
	}
	if len(c.fields) == 0 {
		return c, form.Invalid("The result of the query has no fields to make a lookup table of.")
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(c.fields) // into memory
	line := make([]string, len(c.fields))
	for _, row := range rows {
		clear(line)
		for _, f := range row {
			if i := at[f[0]]; i >= 0 {
				line[i] = f[1]
			}
		}
		_ = w.Write(line)
		if c.rows++; b.Len() > maxLookup {
			break
		}
	}
	w.Flush()
	if c.text = b.String(); len(c.text) > maxLookup {
		return c, form.Invalid("The result of the query makes a lookup table of more than 10 MB.")
	}
	return c, nil
}

// putLookup gives a table its content. What does not fit into one transaction is written before it, under a version of its own that is
// forgotten should nothing come to name it. fn makes the record of what was, and may refuse.
func (s *Shapes) putLookup(ctx context.Context, name string, c content, fn func(tx *store.Tx, was lookupRecord, has bool) (lookupRecord, error)) (lookupRecord, error) {
	var parts []string
	for text := c.text; text != ""; {
		n := min(partBytes, len(text))
		parts = append(parts, text[:n])
		text = text[n:]
	}
	version, err := store.View(ctx, s.space, func(tx *store.Tx) (string, error) {
		was, has := s.tables.lookups.Get(tx, name)
		_, err := fn(tx, was, has)
		return tx.NewID(), err
	})
	if err != nil {
		return lookupRecord{}, err
	}
	written := 0
	for len(parts)-written > partsAtOnce {
		if _, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
			s.lookups.At(tx, tx.Now().Add(unnamed), version, lookupVersion{name, version})
			for i := written; i < written+partsAtOnce; i++ {
				s.tables.lookupParts.Set(tx, lookupPart{Text: parts[i]}, version, i)
			}
			return struct{}{}, nil
		}); err != nil {
			return lookupRecord{}, err
		}
		written += partsAtOnce
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (lookupRecord, error) {
		was, has := s.tables.lookups.Get(tx, name)
		is, err := fn(tx, was, has)
		if err != nil {
			return is, err
		}
		for i := written; i < len(parts); i++ {
			s.tables.lookupParts.Set(tx, lookupPart{Text: parts[i]}, version, i)
		}
		if has {
			s.tables.lookupParts.DeleteAll(tx, was.Version)
		}
		is.Version, is.Fields, is.Rows, is.Bytes, is.Updated = version, c.fields, c.rows, int64(len(c.text)), tx.Now().UnixMilli()
		s.tables.lookups.Set(tx, is, name)
		s.lookups.Cancel(tx, version)
		return is, nil
	})
}

// forgetVersion deletes content that nothing names.
func (s *Shapes) forgetVersion(ctx context.Context, v lookupVersion) error {
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		if r, ok := s.tables.lookups.Get(tx, v.Name); !ok || r.Version != v.Version {
			s.tables.lookupParts.DeleteAll(tx, v.Version)
		}
		return struct{}{}, nil
	})
	return err
}

// CreateLookupTable is logs:CreateLookupTable.
func (s *Shapes) CreateLookupTable(ctx context.Context, in *logsapi.CreateLookupTableInput) (*logsapi.CreateLookupTableOutput, error) {
	if err := cmp.Or(checkLookupName(in.LookupTableName), form.CheckTags(in.Tags)); err != nil {
		return nil, err
	}
	if in.KmsKeyId.V != "" {
		if err := form.CheckKey(in.KmsKeyId.V); err != nil {
			return nil, err
		}
	}
	c, err := s.contentOf(ctx, in.TableBody, in.QueryId)
	if err != nil {
		return nil, err
	}
	r, err := s.putLookup(ctx, in.LookupTableName, c, func(tx *store.Tx, _ lookupRecord, has bool) (r lookupRecord, err error) {
		if has {
			return r, logsapi.ResourceAlreadyExistsException("The specified lookup table already exists.")
		}
		if err := s.roomForLookup(tx); err != nil {
			return r, err
		}
		return lookupRecord{Description: in.Description.V, Key: in.KmsKeyId.V, Created: tx.Now().UnixMilli(), Tags: in.Tags}, nil
	})
	if err != nil {
		return nil, err
	}
	return &logsapi.CreateLookupTableOutput{LookupTableArn: aws.Some(lookupARN(aws.RequestOf(ctx).Scope, in.LookupTableName)), CreatedAt: aws.Some(r.Created)}, nil
}

func (s *Shapes) roomForLookup(tx *store.Tx) error {
	n := 0
	for range s.tables.lookups.Keys(tx, store.ScanOptions{}) {
		n++
	}
	if n >= maxLookups {
		return logsapi.LimitExceededException("There can be at most %d lookup tables.", maxLookups)
	}
	return nil
}

// UpdateLookupTable is logs:UpdateLookupTable.
func (s *Shapes) UpdateLookupTable(ctx context.Context, in *logsapi.UpdateLookupTableInput) (*logsapi.UpdateLookupTableOutput, error) {
	name, err := lookupNamed(ctx, in.LookupTableArn)
	if err != nil {
		return nil, err
	}
	if in.KmsKeyId.V != "" {
		if err := form.CheckKey(in.KmsKeyId.V); err != nil {
			return nil, err
		}
	}
	c, err := s.contentOf(ctx, in.TableBody, in.QueryId)
	if err != nil {
		return nil, err
	}
	r, err := s.putLookup(ctx, name, c, func(_ *store.Tx, was lookupRecord, has bool) (lookupRecord, error) {
		if !has {
			return was, noLookup()
		}
		was.Description = in.Description.Or(was.Description)
		was.Key = in.KmsKeyId.Or(was.Key)
		return was, nil
	})
	if err != nil {
		return nil, err
	}
	return &logsapi.UpdateLookupTableOutput{LookupTableArn: aws.Some(lookupARN(aws.RequestOf(ctx).Scope, name)), LastUpdatedTime: aws.Some(r.Updated)}, nil
}

// DeleteLookupTable is logs:DeleteLookupTable.
func (s *Shapes) DeleteLookupTable(ctx context.Context, in *logsapi.DeleteLookupTableInput) (*logsapi.DeleteLookupTableOutput, error) {
	name, err := lookupNamed(ctx, in.LookupTableArn)
	if err != nil {
		return nil, err
	}
	return store.UpdateWith(ctx, s.space, store.UpdateOptions{Frees: true}, func(tx *store.Tx) (*logsapi.DeleteLookupTableOutput, error) {
		r, ok := s.tables.lookups.Get(tx, name)
		if !ok {
			return nil, noLookup()
		}
		s.tables.lookups.Delete(tx, name)
		s.tables.lookupParts.DeleteAll(tx, r.Version)
		return nil, nil
	})
}

// lookupText is the CSV of a table.
func (t *tables) lookupText(tx *store.Tx, r *lookupRecord) string {
	var b strings.Builder
	b.Grow(int(r.Bytes))
	for _, p := range t.lookupParts.Scan(tx, store.ScanOptions{}, r.Version) {
		b.WriteString(p.Text)
	}
	return b.String()
}

// GetLookupTable is logs:GetLookupTable.
func (s *Shapes) GetLookupTable(ctx context.Context, in *logsapi.GetLookupTableInput) (*logsapi.GetLookupTableOutput, error) {
	name, err := lookupNamed(ctx, in.LookupTableArn)
	if err != nil {
		return nil, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.GetLookupTableOutput, error) {
		r, ok := s.tables.lookups.Get(tx, name)
		if !ok {
			return nil, noLookup()
		}
		return &logsapi.GetLookupTableOutput{
			LookupTableArn: aws.Some(lookupARN(tx.Scope(), name)), LookupTableName: aws.Some(name), Description: aws.NonZero(r.Description),
			TableBody: aws.Some(s.tables.lookupText(tx, &r)), SizeBytes: aws.Some(r.Bytes), LastUpdatedTime: aws.Some(r.Updated),
			KmsKeyId: aws.NonZero(r.Key),
		}, nil
	})
}

// DescribeLookupTables is logs:DescribeLookupTables.
func (s *Shapes) DescribeLookupTables(ctx context.Context, in *logsapi.DescribeLookupTablesInput) (*logsapi.DescribeLookupTablesOutput, error) {
	after, err := form.PageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := int(cmp.Or(in.MaxResults.V, 50))
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeLookupTablesOutput, error) {
		out := &logsapi.DescribeLookupTablesOutput{LookupTables: []logsapi.LookupTable{}}
		o := store.ScanOptions{From: []any{in.LookupTableNamePrefix.V}}
		if after != "" {
			o = store.ScanOptions{After: []any{after}}
		}
		last := ""
		for k, r := range s.tables.lookups.Scan(tx, o) {
			name := strings.Clone(k.String(0))
			if !strings.HasPrefix(name, in.LookupTableNamePrefix.V) {
				break
			}
			if len(out.LookupTables) == limit {
				out.NextToken = form.PageToken(last)
				break
			}
			last = name
			out.LookupTables = append(out.LookupTables, logsapi.LookupTable{
				LookupTableArn: aws.Some(lookupARN(tx.Scope(), name)), LookupTableName: aws.Some(name), Description: aws.NonZero(r.Description),
				TableFields: r.Fields, RecordsCount: aws.Some(r.Rows), SizeBytes: aws.Some(r.Bytes), LastUpdatedTime: aws.Some(r.Updated), KmsKeyId: aws.NonZero(r.Key),
			})
		}
		return out, nil
	})
}

// CheckLookups refuses, with an *insights.Error, a query that looks into a table that is not there, or for columns that it does not have.
func (s *Shapes) CheckLookups(tx *store.Tx, lookups []insights.Lookup) error {
	for _, l := range lookups {
		r, ok := s.tables.lookups.Get(tx, l.Table)
		if !ok {
			return &insights.Error{Start: l.Start, End: l.End, Message: "lookup table " + l.Table + " does not exist"}
		}
		for _, c := range l.Columns {
			if !slices.Contains(r.Fields, c) {
				return &insights.Error{Start: l.Start, End: l.End, Message: "lookup table " + l.Table + " has no column " + c}
			}
		}
	}
	return nil
}

// LookedInto are the tables that a query looks into.
func (s *Shapes) LookedInto(tx *store.Tx, lookups []insights.Lookup) (map[string]*insights.Table, error) {
	tables := map[string]*insights.Table{}
	for _, l := range lookups {
		r, ok := s.tables.lookups.Get(tx, l.Table)
		if !ok || tables[l.Table] != nil {
			continue
		}
		t := &insights.Table{Columns: r.Fields}
		header := true
		if err := eachRow(s.tables.lookupText(tx, &r), func(row []string) error {
			if !header {
				t.Rows = append(t.Rows, slices.Clone(row))
			}
			header = false
			return nil
		}); err != nil {
			return nil, err
		}
		tables[l.Table] = t
	}
	return tables, nil
}
