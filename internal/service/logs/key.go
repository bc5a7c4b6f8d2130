package logs

import (
	"context"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
	"github.com/obidos-cloud/obidos/internal/store"
)

// keyed is what a key is for: a group, or, where its name is empty, the results of queries.
func keyed(ctx context.Context, group, resource aws.Opt[string]) (string, error) {
	switch {
	case group.Set == resource.Set:
		return "", invalid("Exactly one of logGroupName and resourceIdentifier is required.")
	case group.Set:
		return group.V, checkGroupName(group.V)
	case resource.V == aws.RequestOf(ctx).Scope.ARN("logs", "query-result:*"):
		return "", nil
	}
	return form.GroupOfARN(ctx, resource.V)
}

// setKey keeps the key of a group or of the results of queries.
func (s *Service) setKey(ctx context.Context, group, key string) error {
	if group != "" {
		return s.change(ctx, group, func(g *groupRecord) error {
			g.Key = key
			return nil
		})
	}
	_, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		s.SetResultKey(tx, key)
		return struct{}{}, nil
	})
	return err
}

// checkKey checks that a key is named by its ARN.
func checkKey(id string) error {
	if a, ok := aws.ParseARN(id); !ok || a.Service != "kms" {
		return invalid("KMS key id must be an ARN: %s", id)
	}
	return nil
}

// AssociateKmsKey is logs:AssociateKmsKey.
func (s *Service) AssociateKmsKey(ctx context.Context, in *logsapi.AssociateKmsKeyInput) (*logsapi.AssociateKmsKeyOutput, error) {
	if err := checkKey(in.KmsKeyId); err != nil {
		return nil, err
	}
	group, err := keyed(ctx, in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	return nil, s.setKey(ctx, group, in.KmsKeyId)
}

// DisassociateKmsKey is logs:DisassociateKmsKey.
func (s *Service) DisassociateKmsKey(ctx context.Context, in *logsapi.DisassociateKmsKeyInput) (*logsapi.DisassociateKmsKeyOutput, error) {
	group, err := keyed(ctx, in.LogGroupName, in.ResourceIdentifier)
	if err != nil {
		return nil, err
	}
	return nil, s.setKey(ctx, group, "")
}
