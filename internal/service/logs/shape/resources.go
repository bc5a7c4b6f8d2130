package shape

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/resource"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

const transformerType = "AWS::Logs::Transformer"

// transformerModel is a transformer by its properties. The group is named as it was when it was made: by its name or its ARN.
type transformerModel struct {
	LogGroupIdentifier string          `json:",omitempty"`
	TransformerConfig  json.RawMessage `json:",omitempty"`
}

// capitalized is a document of the API with the names that resources have.
func capitalized(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = capitalized(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, m := range v {
			out[strings.ToUpper(k[:1])+k[1:]] = capitalized(m)
		}
		return out
	}
	return v
}

// propertiesOf is a document of the API as a resource has it.
func propertiesOf(document []byte) json.RawMessage {
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		panic(err) // we wrote it
	}
	b, err := json.Marshal(capitalized(v))
	if err != nil {
		panic(err)
	}
	return b
}

// transformerBecame tells the feed what a group's transformer was and is: JSON, or nothing.
func (s *Shapes) transformerBecame(ctx context.Context, tx *store.Tx, group, was, is string) {
	if !s.changes.Watched(transformerType) || was == is {
		return
	}
	text := func(config string) string {
		if config == "" {
			return ""
		}
		return resource.Text(transformerModel{form.GroupARN(tx.Scope(), group), propertiesOf([]byte(config))})
	}
	s.changes.Became(ctx, tx, transformerType, form.GroupARN(tx.Scope(), group), text(was), text(is))
}

type transformerResources struct {
	*Shapes
	api logsapi.Client
}

// missing is err; where it says that there is no such thing, the failure of a resource that is missing.
func missing(err error, typeName, id string) error {
	if isNone(err) {
		return resource.Missing(typeName, id)
	}
	return err
}

func isNone(err error) bool {
	e, ok := errors.AsType[*aws.Error](err)
	return ok && e.ErrorShape == logsapi.ErrResourceNotFoundException
}

func (t transformerResources) put(ctx context.Context, m transformerModel) (transformerModel, error) {
	in := &logsapi.PutTransformerInput{LogGroupIdentifier: m.LogGroupIdentifier}
	if err := readDocument(m.TransformerConfig, &in.TransformerConfig); err != nil {
		return m, form.Invalid("The property TransformerConfig of a transformer is not understood.")
	}
	_, err := t.api.PutTransformer(ctx, in)
	return m, err
}

func (t transformerResources) create(ctx context.Context, r resource.Request, desired transformerModel) (transformerModel, error) {
	if _, err := t.read(ctx, desired); err == nil && !r.Again {
		return transformerModel{}, resource.Exists(transformerType, desired.LogGroupIdentifier)
	}
	return t.put(ctx, desired)
}

func (t transformerResources) read(ctx context.Context, id transformerModel) (transformerModel, error) {
	out, err := t.api.GetTransformer(ctx, &logsapi.GetTransformerInput{LogGroupIdentifier: id.LogGroupIdentifier})
	if err != nil {
		return transformerModel{}, missing(err, transformerType, id.LogGroupIdentifier)
	}
	return transformerModel{id.LogGroupIdentifier, propertiesOf(documentOf(out.TransformerConfig))}, nil
}

func (t transformerResources) update(ctx context.Context, _ resource.Request, before, desired transformerModel) (transformerModel, error) {
	if _, err := t.read(ctx, before); err != nil {
		return transformerModel{}, err
	}
	desired.LogGroupIdentifier = before.LogGroupIdentifier
	return t.put(ctx, desired)
}

func (t transformerResources) delete(ctx context.Context, r resource.Request, was transformerModel) error {
	_, err := t.api.DeleteTransformer(ctx, &logsapi.DeleteTransformerInput{LogGroupIdentifier: was.LogGroupIdentifier})
	if r.Again && isNone(err) {
		return nil
	}
	return missing(err, transformerType, was.LogGroupIdentifier)
}

// list is the groups that have a transformer: the API has no list of them.
func (t transformerResources) list(ctx context.Context, _ transformerModel, page resource.Page) (list []transformerModel, next string, err error) {
	names, err := store.View(ctx, t.space, func(tx *store.Tx) (names []string, err error) {
		for name, g := range t.host.Groups(tx, page.After) {
			if _, ok := t.tables.transformer(tx, g.Number); ok {
				if names = append(names, strings.Clone(name)); len(names) > page.Limit {
					break
				}
			}
		}
		return names, nil
	})
	if len(names) > page.Limit {
		names = names[:page.Limit]
		next = names[page.Limit-1]
	}
	for _, name := range names {
		list = append(list, transformerModel{LogGroupIdentifier: name})
	}
	return list, next, err
}

// transformerKind is the type of resource.
func (s *Shapes) transformerKind(api logsapi.Client) resource.Type {
	t := transformerResources{s, api}
	return resource.Kind[transformerModel]{
		Name: transformerType, Service: "CloudWatchLogs",
		Create: t.create, Read: t.read, Update: t.update, Delete: t.delete, List: t.list,
	}.Type()
}
