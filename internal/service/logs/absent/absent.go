// Package absent answers for what cannot be turned on here: it reads as AWS answers where it was never turned on, since tools read
// everything back.
package absent

import (
	"cmp"
	"context"

	"github.com/obidos-cloud/obidos/internal/api/logsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/logs/form"
)

// Absent performs the operations that read it.
type Absent struct{}

// ListIntegrations is logs:ListIntegrations.
func (Absent) ListIntegrations(_ context.Context, in *logsapi.ListIntegrationsInput) (*logsapi.ListIntegrationsOutput, error) {
	if err := cmp.Or(form.CheckOne(in.IntegrationType, "integrationType"), form.CheckOne(in.IntegrationStatus, "integrationStatus"), checkPrefix(in.IntegrationNamePrefix)); err != nil {
		return nil, err
	}
	return &logsapi.ListIntegrationsOutput{IntegrationSummaries: []logsapi.IntegrationSummary{}}, nil
}

func checkPrefix(prefix aws.Opt[string]) error {
	if prefix.Set && form.CheckGroupName(prefix.V) != nil {
		return form.Violation(prefix.V, "integrationNamePrefix", `satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+`)
	}
	return nil
}

func noIntegration(name string) *aws.Error {
	return logsapi.ResourceNotFoundException("The integration %s does not exist.", name)
}

// GetIntegration is logs:GetIntegration.
func (Absent) GetIntegration(_ context.Context, in *logsapi.GetIntegrationInput) (*logsapi.GetIntegrationOutput, error) {
	return nil, noIntegration(in.IntegrationName)
}

// ListSourcesForS3TableIntegration is logs:ListSourcesForS3TableIntegration.
func (Absent) ListSourcesForS3TableIntegration(_ context.Context, in *logsapi.ListSourcesForS3TableIntegrationInput) (*logsapi.ListSourcesForS3TableIntegrationOutput, error) {
	if in.NextToken.Set {
		return nil, logsapi.ValidationException("The specified nextToken is invalid.") // none was given
	}
	return nil, noIntegration(in.IntegrationArn)
}

// DescribeImportTasks is logs:DescribeImportTasks.
func (Absent) DescribeImportTasks(_ context.Context, in *logsapi.DescribeImportTasksInput) (*logsapi.DescribeImportTasksOutput, error) {
	switch err := form.CheckOne(in.ImportStatus, "importStatus"); {
	case err != nil:
		return nil, err
	case in.NextToken.Set:
		return nil, form.BadToken()
	case in.ImportId.Set:
		return nil, noImport(in.ImportId.V)
	}
	return &logsapi.DescribeImportTasksOutput{Imports: []logsapi.Import{}}, nil
}

func noImport(id string) *aws.Error {
	return logsapi.ResourceNotFoundException("The import task %s does not exist.", id)
}

// DescribeImportTaskBatches is logs:DescribeImportTaskBatches.
func (Absent) DescribeImportTaskBatches(_ context.Context, in *logsapi.DescribeImportTaskBatchesInput) (*logsapi.DescribeImportTaskBatchesOutput, error) {
	return nil, noImport(in.ImportId)
}

// ListSyslogConfigurations is logs:ListSyslogConfigurations.
func (Absent) ListSyslogConfigurations(ctx context.Context, in *logsapi.ListSyslogConfigurationsInput) (*logsapi.ListSyslogConfigurationsOutput, error) {
	if in.NextToken.Set {
		return nil, form.BadToken()
	}
	if in.LogGroupIdentifier.Set {
		if _, err := form.Identify(ctx, in.LogGroupIdentifier.V); err != nil {
			return nil, err
		}
	}
	return &logsapi.ListSyslogConfigurationsOutput{SyslogConfigurations: []logsapi.SyslogConfiguration{}}, nil
}

// GetStorageTierPolicy is logs:GetStorageTierPolicy.
func (Absent) GetStorageTierPolicy(context.Context, *logsapi.GetStorageTierPolicyInput) (*logsapi.GetStorageTierPolicyOutput, error) {
	return &logsapi.GetStorageTierPolicyOutput{StorageTier: aws.Some(logsapi.StorageTierSTANDARD)}, nil
}

// ListAggregateLogGroupSummaries is logs:ListAggregateLogGroupSummaries: of the groups that have data sources, which none has.
func (Absent) ListAggregateLogGroupSummaries(ctx context.Context, in *logsapi.ListAggregateLogGroupSummariesInput) (*logsapi.ListAggregateLogGroupSummariesOutput, error) {
	if _, err := form.GroupPattern(in.LogGroupNamePattern); err != nil {
		return nil, err
	}
	if err := cmp.Or(form.CheckOne(in.LogGroupClass, "logGroupClass"), form.CheckAccounts(ctx, in.IncludeLinkedAccounts, in.AccountIdentifiers)); err != nil {
		return nil, err
	}
	if in.NextToken.Set {
		return nil, form.BadToken()
	}
	return &logsapi.ListAggregateLogGroupSummariesOutput{AggregateLogGroupSummaries: []logsapi.AggregateLogGroupSummary{}}, nil
}
