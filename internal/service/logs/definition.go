package logs

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/logfilter"
	"github.com/obidos-cloud/obidos/internal/store"
)

// definitionRecord is a query that was saved under a name, to be started by whoever finds it.
type definitionRecord struct {
	store.Unknown
	Name       string      `cbor:"1,keyasint"`
	Text       string      `cbor:"2,keyasint"`
	Groups     []string    `cbor:"3,keyasint,omitempty"`
	Language   string      `cbor:"4,keyasint"`
	Modified   int64       `cbor:"5,keyasint"`
	Token      string      `cbor:"6,keyasint,omitempty"` // of the request that made it
	Parameters [][3]string `cbor:"7,keyasint,omitempty"` // name, default value, description
}

func noDefinition() *aws.Error {
	return logsapi.ResourceNotFoundException("The specified query definition does not exist.")
}

// PutQueryDefinition is logs:PutQueryDefinition.
func (s *Service) PutQueryDefinition(ctx context.Context, in *logsapi.PutQueryDefinitionInput) (*logsapi.PutQueryDefinitionOutput, error) {
	if err := checkOne(in.QueryLanguage, "queryLanguage"); err != nil {
		return nil, err
	}
	for _, name := range in.LogGroupNames {
		if err := checkGroupName(name); err != nil {
			return nil, err
		}
	}
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.PutQueryDefinitionOutput, error) {
		id := in.QueryDefinitionId.V
		switch {
		case id != "":
			if !s.tables.definitions.Has(tx, id) {
				return nil, noDefinition()
			}
		case in.ClientToken.Set:
			for k, d := range s.tables.definitions.Scan(tx, store.ScanOptions{}) {
				if d.Token == in.ClientToken.V { // the request is made again
					id = strings.Clone(k.String(0))
				}
			}
		}
		id = cmp.Or(id, tx.NewID())
		d := definitionRecord{
			Name: in.Name, Text: in.QueryString, Groups: in.LogGroupNames, Language: string(in.QueryLanguage.Or(logsapi.QueryLanguageCWLI)),
			Modified: tx.Now().UnixMilli(), Token: in.ClientToken.V,
		}
		for _, p := range in.Parameters {
			d.Parameters = append(d.Parameters, [3]string{p.Name, p.DefaultValue.V, p.Description.V})
		}
		s.tables.definitions.Set(tx, d, id)
		return &logsapi.PutQueryDefinitionOutput{QueryDefinitionId: aws.Some(id)}, nil
	})
}

// DeleteQueryDefinition is logs:DeleteQueryDefinition.
func (s *Service) DeleteQueryDefinition(ctx context.Context, in *logsapi.DeleteQueryDefinitionInput) (*logsapi.DeleteQueryDefinitionOutput, error) {
	return store.Update(ctx, s.space, func(tx *store.Tx) (*logsapi.DeleteQueryDefinitionOutput, error) {
		if !s.tables.definitions.Has(tx, in.QueryDefinitionId) {
			return nil, noDefinition()
		}
		s.tables.definitions.Delete(tx, in.QueryDefinitionId)
		return &logsapi.DeleteQueryDefinitionOutput{Success: aws.Some(true)}, nil
	})
}

// DescribeQueryDefinitions is logs:DescribeQueryDefinitions, in the order of their names.
func (s *Service) DescribeQueryDefinitions(ctx context.Context, in *logsapi.DescribeQueryDefinitionsInput) (*logsapi.DescribeQueryDefinitionsOutput, error) {
	if err := checkOne(in.QueryLanguage, "queryLanguage"); err != nil {
		return nil, err
	}
	after, err := pageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.DescribeQueryDefinitionsOutput, error) {
		type named struct {
			id, place string
			definitionRecord
		}
		var all []named
		for k, d := range s.tables.definitions.Scan(tx, store.ScanOptions{}) {
			if strings.HasPrefix(d.Name, in.QueryDefinitionNamePrefix.V) && (!in.QueryLanguage.Set || d.Language == string(in.QueryLanguage.V)) {
				id := strings.Clone(k.String(0))
				all = append(all, named{id, d.Name + "\x00" + id, d})
			}
		}
		slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.place, b.place) })
		out := &logsapi.DescribeQueryDefinitionsOutput{QueryDefinitions: []logsapi.QueryDefinition{}}
		last := ""
		for _, d := range all {
			if after != "" && d.place <= after {
				continue
			}
			if len(out.QueryDefinitions) == int(in.MaxResults.Or(1000)) {
				out.NextToken = pageToken(last)
				break
			}
			last = d.place
			shown := logsapi.QueryDefinition{
				QueryLanguage: aws.Some(logsapi.QueryLanguage(d.Language)), QueryDefinitionId: aws.Some(d.id), Name: aws.Some(d.Name),
				QueryString: aws.Some(d.Text), LastModified: aws.Some(d.Modified), LogGroupNames: d.Groups,
			}
			for _, p := range d.Parameters {
				shown.Parameters = append(shown.Parameters, logsapi.QueryParameter{Name: p[0], DefaultValue: aws.NonZero(p[1]), Description: aws.NonZero(p[2])})
			}
			out.QueryDefinitions = append(out.QueryDefinitions, shown)
		}
		return out, nil
	})
}

// TestMetricFilter is logs:TestMetricFilter.
func (s *Service) TestMetricFilter(_ context.Context, in *logsapi.TestMetricFilterInput) (*logsapi.TestMetricFilterOutput, error) {
	f, err := logfilter.Parse(in.FilterPattern)
	if err != nil {
		return nil, invalid("%s", err.Error())
	}
	out := &logsapi.TestMetricFilterOutput{Matches: []logsapi.MetricFilterMatchRecord{}}
	for i, m := range in.LogEventMessages {
		if values, ok := f.Extract(m); ok {
			out.Matches = append(out.Matches, logsapi.MetricFilterMatchRecord{EventNumber: aws.Some(int64(i + 1)), EventMessage: aws.Some(m), ExtractedValues: values})
		}
	}
	return out, nil
}
