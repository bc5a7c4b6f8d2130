package logs

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/store"
	"github.com/obidos-cloud/obidos/internal/timer"
)

// shapeTables are the records of what makes something of logs.
type shapeTables struct {
	transformers        store.Table[transformerRecord] // group, time → what is done to its events from then on
	accountTransformers store.Table[transformerRecord] // name of an account's policy, time → the same

	lookups     store.Table[lookupRecord] // name → a lookup table
	lookupParts store.Table[lookupPart]   // version, number → a piece of its content
}

func newShapeTables(s store.Space) shapeTables {
	return shapeTables{
		transformers:        store.NewTable[transformerRecord](s, 50, "transformer", store.Global),
		accountTransformers: store.NewTable[transformerRecord](s, 51, "transformer of an account"),

		lookups:     store.NewTable[lookupRecord](s, 52, "lookup table"),
		lookupParts: store.NewTable[lookupPart](s, 53, "part of a lookup table"),
	}
}

// shaping is what that needs beside its records.
type shaping struct {
	compiled compiled                 // transformers
	lookups  timer.Set[lookupVersion] // when content of lookup tables that nothing names is deleted
}

// shape begins what makes something of logs.
func (s *Service) shape(timers *timer.Timers) {
	s.shaping.lookups = timer.NewSet(timers, "logs.lookup", s.forgetVersion)
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
	case *logsapi.CreateLookupTableInput:
		return []string{lookupARN(scope, in.LookupTableName)}
	case *logsapi.UpdateLookupTableInput:
		return []string{in.LookupTableArn}
	case *logsapi.DeleteLookupTableInput:
		return []string{in.LookupTableArn}
	case *logsapi.GetLookupTableInput:
		return []string{in.LookupTableArn}
	}
	return nil
}
