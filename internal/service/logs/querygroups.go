package logs

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/store"
)

// ListLogGroupsForQuery is logs:ListLogGroupsForQuery.
func (s *Service) ListLogGroupsForQuery(ctx context.Context, in *logsapi.ListLogGroupsForQueryInput) (*logsapi.ListLogGroupsForQueryOutput, error) {
	after, err := pageAfter(in.NextToken)
	if err != nil {
		return nil, err
	}
	return store.View(ctx, s.space, func(tx *store.Tx) (*logsapi.ListLogGroupsForQueryOutput, error) {
		q, ok := s.tables.queries.Get(tx, in.QueryId)
		if !ok {
			return nil, noQuery(in.QueryId)
		}
		o := &logsapi.ListLogGroupsForQueryOutput{LogGroupIdentifiers: []string{}}
		for i, name := range q.Groups { // in the order of their names
			if name <= after {
				continue
			}
			if len(o.LogGroupIdentifiers) == int(in.MaxResults.Or(50)) {
				o.NextToken = pageToken(q.Groups[i-1])
				break
			}
			o.LogGroupIdentifiers = append(o.LogGroupIdentifiers, groupARN(tx.Scope(), name))
		}
		return o, nil
	})
}
