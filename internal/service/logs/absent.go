package logs

import (
	"cmp"
	"context"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// What cannot be turned on here reads as AWS answers where it was never turned on: tools read everything back.

// ListIntegrations is logs:ListIntegrations.
func (s *Service) ListIntegrations(_ context.Context, in *logsapi.ListIntegrationsInput) (*logsapi.ListIntegrationsOutput, error) {
	if err := cmp.Or(checkOne(in.IntegrationType, "integrationType"), checkOne(in.IntegrationStatus, "integrationStatus"), checkPrefix(in.IntegrationNamePrefix)); err != nil {
		return nil, err
	}
	return &logsapi.ListIntegrationsOutput{IntegrationSummaries: []logsapi.IntegrationSummary{}}, nil
}

func checkPrefix(prefix aws.Opt[string]) error {
	if prefix.Set && checkGroupName(prefix.V) != nil {
		return violation(prefix.V, "integrationNamePrefix", `satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+`)
	}
	return nil
}

func noIntegration(name string) *aws.Error {
	return logsapi.ResourceNotFoundException("The integration %s does not exist.", name)
}

// GetIntegration is logs:GetIntegration.
func (s *Service) GetIntegration(_ context.Context, in *logsapi.GetIntegrationInput) (*logsapi.GetIntegrationOutput, error) {
	return nil, noIntegration(in.IntegrationName)
}

// ListSourcesForS3TableIntegration is logs:ListSourcesForS3TableIntegration.
func (s *Service) ListSourcesForS3TableIntegration(_ context.Context, in *logsapi.ListSourcesForS3TableIntegrationInput) (*logsapi.ListSourcesForS3TableIntegrationOutput, error) {
	if in.NextToken.Set {
		return nil, logsapi.ValidationException("The specified nextToken is invalid.") // none was given
	}
	return nil, noIntegration(in.IntegrationArn)
}

// DescribeImportTasks is logs:DescribeImportTasks.
func (s *Service) DescribeImportTasks(_ context.Context, in *logsapi.DescribeImportTasksInput) (*logsapi.DescribeImportTasksOutput, error) {
	switch err := checkOne(in.ImportStatus, "importStatus"); {
	case err != nil:
		return nil, err
	case in.NextToken.Set:
		return nil, errToken()
	case in.ImportId.Set:
		return nil, noImport(in.ImportId.V)
	}
	return &logsapi.DescribeImportTasksOutput{Imports: []logsapi.Import{}}, nil
}

func noImport(id string) *aws.Error {
	return logsapi.ResourceNotFoundException("The import task %s does not exist.", id)
}

// DescribeImportTaskBatches is logs:DescribeImportTaskBatches.
func (s *Service) DescribeImportTaskBatches(_ context.Context, in *logsapi.DescribeImportTaskBatchesInput) (*logsapi.DescribeImportTaskBatchesOutput, error) {
	return nil, noImport(in.ImportId)
}

// ListSyslogConfigurations is logs:ListSyslogConfigurations.
func (s *Service) ListSyslogConfigurations(ctx context.Context, in *logsapi.ListSyslogConfigurationsInput) (*logsapi.ListSyslogConfigurationsOutput, error) {
	if in.NextToken.Set {
		return nil, errToken()
	}
	if in.LogGroupIdentifier.Set {
		name, err := identify(ctx, in.LogGroupIdentifier.V)
		if err != nil {
			return nil, err
		}
		if _, err := store.View(ctx, s.space, func(tx *store.Tx) (groupRecord, error) { return s.group(tx, name) }); err != nil {
			return nil, err
		}
	}
	return &logsapi.ListSyslogConfigurationsOutput{SyslogConfigurations: []logsapi.SyslogConfiguration{}}, nil
}

// GetStorageTierPolicy is logs:GetStorageTierPolicy.
func (s *Service) GetStorageTierPolicy(context.Context, *logsapi.GetStorageTierPolicyInput) (*logsapi.GetStorageTierPolicyOutput, error) {
	return &logsapi.GetStorageTierPolicyOutput{StorageTier: aws.Some(logsapi.StorageTierSTANDARD)}, nil
}

// ListAggregateLogGroupSummaries is logs:ListAggregateLogGroupSummaries: of the groups that have data sources, which none has.
func (s *Service) ListAggregateLogGroupSummaries(ctx context.Context, in *logsapi.ListAggregateLogGroupSummariesInput) (*logsapi.ListAggregateLogGroupSummariesOutput, error) {
	if _, err := groupPattern(in.LogGroupNamePattern); err != nil {
		return nil, err
	}
	if err := cmp.Or(checkOne(in.LogGroupClass, "logGroupClass"), checkAccounts(ctx, in.IncludeLinkedAccounts, in.AccountIdentifiers)); err != nil {
		return nil, err
	}
	if in.NextToken.Set {
		return nil, errToken()
	}
	return &logsapi.ListAggregateLogGroupSummariesOutput{AggregateLogGroupSummaries: []logsapi.AggregateLogGroupSummary{}}, nil
}
