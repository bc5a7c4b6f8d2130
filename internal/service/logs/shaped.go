package logs

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/store"
)

// shapeTables are the records of what makes something of logs.
type shapeTables struct {
	transformers        store.Table[transformerRecord] // group, time → what is done to its events from then on
	accountTransformers store.Table[transformerRecord] // name of an account's policy, time → the same
}

func newShapeTables(s store.Space) shapeTables {
	return shapeTables{
		transformers:        store.NewTable[transformerRecord](s, 50, "transformer", store.Global),
		accountTransformers: store.NewTable[transformerRecord](s, 51, "transformer of an account"),
	}
}

// shaping is what that needs beside its records.
type shaping struct {
	compiled compiled // transformers
}

// shapeTypes are its types of resource.
func (s *Service) shapeTypes(api logsapi.Client) []resource.Type {
	return []resource.Type{s.transformerKind(api)}
}

// shapedBy is what an operation of transformers, lookup tables, scheduled queries and detectors is about.
func shapedBy(ctx context.Context, in any) []string {
	scope := aws.RequestOf(ctx).Scope
	switch in := in.(type) {
	case *logsapi.PutTransformerInput:
		return []string{streamARN(scope, nameOf(in.LogGroupIdentifier), "")}
	case *logsapi.GetTransformerInput:
		return []string{streamARN(scope, nameOf(in.LogGroupIdentifier), "")}
	case *logsapi.DeleteTransformerInput:
		return []string{streamARN(scope, nameOf(in.LogGroupIdentifier), "")}
	}
	return nil
}
