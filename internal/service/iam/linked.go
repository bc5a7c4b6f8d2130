package iam

import (
	"context"
	"strings"
	"sync"

	"github.com/obidos-cloud/obidos/internal/api/iamapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/service/iam/form"
	"github.com/obidos-cloud/obidos/internal/service/iam/managed"
	"github.com/obidos-cloud/obidos/internal/store"
)

// linked is what a service has its service-linked role made of.
type linked struct {
	role   string // name
	policy string // of AWS's, below /aws-service-role/
	suffix bool   // there may be several, told apart by a suffix
}

// linkedRoles are the services that have service-linked roles, by their names without ".amazonaws.com".
var linkedRoles = sync.OnceValue(func() map[string]linked {
	all := map[string]linked{}
	for line := range strings.Lines(linkedRoleList) {
		f := strings.Fields(line)
		all[f[0]] = linked{role: "AWSServiceRoleFor" + f[1], policy: f[2], suffix: len(f) > 3}
	}
	return all
})

// A line is a service, what follows "AWSServiceRoleFor" in the name of its role, the role's policy, and whether there may be several.
const linkedRoleList = `access-analyzer AccessAnalyzer AccessAnalyzerServiceRolePolicy
accountdiscovery.ssm AmazonSSM_AccountDiscovery AWSSystemsManagerAccountDiscoveryServicePolicy
acm CertificateManager CertificateManagerServiceRolePolicy
airflow AmazonMWAA AmazonMWAAServiceRolePolicy
apidestinations.events AmazonEventBridgeApiDestinations AmazonEventBridgeApiDestinationsServiceRolePolicy
application-signals.cloudwatch CloudWatchApplicationSignals CloudWatchApplicationSignalsServiceRolePolicy
appmesh AppMesh AWSAppMeshServiceRolePolicy
autoscaling AutoScaling AutoScalingServiceRolePolicy suffix
autoscaling-plans AutoScalingPlans_EC2AutoScaling AWSAutoScalingPlansEC2AutoScalingPolicy
backup Backup AWSBackupServiceLinkedRolePolicyForBackup
batch Batch BatchServiceRolePolicy
cassandra.application-autoscaling ApplicationAutoScaling_CassandraTable AWSApplicationAutoscalingCassandraTablePolicy
cks.kms KeyManagementServiceCustomKeyStores AWSKeyManagementServiceCustomKeyStoresServiceRolePolicy
cloud9 AWSCloud9 AWSCloud9ServiceRolePolicy
cloudtrail CloudTrail CloudTrailServiceRolePolicy
codestar-notifications CodeStarNotifications AWSCodeStarNotificationsServiceRolePolicy
cognito-idp AmazonCognitoIdp AmazonCognitoIdpServiceRolePolicy
config Config AWSConfigServiceRolePolicy
connect AmazonConnect AmazonConnectServiceLinkedRolePolicy suffix
custom-resource.application-autoscaling ApplicationAutoScaling_CustomResource AWSApplicationAutoScalingCustomResourcePolicy
dax DAX DAXServiceRolePolicy
dms DMSServerless AWSDMSServerlessServiceRolePolicy
dms-fleet-advisor DMSFleetAdvisor AWSDMSFleetAdvisorServiceRolePolicy
docdb-elastic DocDB-Elastic AmazonDocDB-ElasticServiceRolePolicy
dynamodb.application-autoscaling ApplicationAutoScaling_DynamoDBTable AWSApplicationAutoscalingDynamoDBTablePolicy
ec2-instance-connect Ec2InstanceConnect Ec2InstanceConnectEndpoint
ec2.application-autoscaling ApplicationAutoScaling_EC2SpotFleetRequest AWSApplicationAutoscalingEC2SpotFleetRequestPolicy
ecr ECRTemplate ECRTemplateServiceRolePolicy
ecs ECS AmazonECSServiceRolePolicy
ecs.application-autoscaling ApplicationAutoScaling_ECSService AWSApplicationAutoscalingECSServicePolicy
eks AmazonEKS AmazonEKSServiceRolePolicy
eks-connector AmazonEKSConnector AmazonEKSConnectorServiceRolePolicy
eks-fargate AmazonEKSForFargate AmazonEKSForFargateServiceRolePolicy
eks-nodegroup AmazonEKSNodegroup AWSServiceRoleForAmazonEKSNodegroup
elasticache ElastiCache ElastiCacheServiceRolePolicy
elasticache.application-autoscaling ApplicationAutoScaling_ElastiCacheRG AWSApplicationAutoscalingElastiCacheRGPolicy
elasticbeanstalk ElasticBeanstalk AWSElasticBeanstalkServiceRolePolicy
elasticfilesystem AmazonElasticFileSystem AmazonElasticFileSystemServiceRolePolicy
elasticloadbalancing ElasticLoadBalancing AWSElasticLoadBalancingServiceRolePolicy
elasticmapreduce EMRCleanup AmazonEMRCleanupPolicy
email.cognito-idp AmazonCognitoIdpEmailService AmazonCognitoIdpEmailServiceRolePolicy
emr-containers AmazonEMRContainers AmazonEMRContainersServiceRolePolicy
emrwal EMRWAL EMRDescribeClusterPolicyForEMRWAL
es AmazonElasticsearchService AmazonElasticsearchServiceRolePolicy
events CloudWatchEvents CloudWatchEventsServiceRolePolicy
fis FIS AmazonFISServiceRolePolicy
fsx AmazonFSx AmazonFSxServiceRolePolicy
globalaccelerator GlobalAccelerator AWSGlobalAcceleratorSLRPolicy
grafana AmazonGrafana AmazonGrafanaServiceLinkedRolePolicy
guardduty AmazonGuardDuty AmazonGuardDutyServiceRolePolicy
imagebuilder ImageBuilder AWSServiceRoleForImageBuilder
inspector2 AmazonInspector2 AmazonInspector2ServiceRolePolicy
internetmonitor InternetMonitor CloudWatchInternetMonitorServiceRolePolicy
iotmanagedintegrations IoTManagedIntegrations AWSIoTManagedIntegrationsRolePolicy
kafka Kafka KafkaServiceRolePolicy
kafka.application-autoscaling ApplicationAutoScaling_KafkaCluster AWSApplicationAutoscalingKafkaClusterPolicy
kafkaconnect KafkaConnect KafkaConnectServiceRolePolicy
lakeformation LakeFormationDataAccess LakeFormationDataAccessServiceRolePolicy
lambda.application-autoscaling ApplicationAutoScaling_LambdaConcurrency AWSApplicationAutoscalingLambdaConcurrencyPolicy
lex LexBots AmazonLexBotPolicy
lexv2 LexV2Bots AmazonLexV2BotPolicy suffix
lightsail Lightsail LightsailExportAccess
logger.cloudfront CloudFrontLogger AWSCloudFrontLogger
m2 AWSM2 AWSM2ServicePolicy
macie AmazonMacie AmazonMacieServiceRolePolicy
member.org.stacksets.cloudformation CloudFormationStackSetsOrgMember CloudFormationStackSetsOrgMemberServiceRolePolicy
memorydb MemoryDB MemoryDBServiceRolePolicy
mq AmazonMQ AmazonMQServiceRolePolicy
mrk.kms KeyManagementServiceMultiRegionKeys AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy
neptune.application-autoscaling ApplicationAutoScaling_NeptuneCluster AWSApplicationAutoscalingNeptuneClusterPolicy
notifications AwsUserNotifications AWSUserNotificationsServiceLinkedRolePolicy
observability.aoss AmazonOpenSearchServerless AmazonOpenSearchServerlessServiceRolePolicy
opensearchservice AmazonOpenSearchService AmazonOpenSearchServiceRolePolicy
ops.apigateway APIGateway APIGatewayServiceRolePolicy
ops.emr-serverless AmazonEMRServerless AmazonEMRServerlessServiceRolePolicy
opsdatasync.ssm SystemsManagerOpsDataSync AWSSystemsManagerOpsDataSyncServiceRolePolicy
opsinsights.ssm AmazonSSM_OpsInsights AWSSSMOpsInsightsServiceRolePolicy
organizations Organizations AWSOrganizationsServiceTrustPolicy
pullthroughcache.ecr ECRPullThroughCache AWSECRPullThroughCache_ServiceRolePolicy
ram ResourceAccessManager AWSResourceAccessManagerServiceRolePolicy
rds RDS AmazonRDSServiceRolePolicy
rds.application-autoscaling ApplicationAutoScaling_RDSCluster AWSApplicationAutoscalingRDSClusterPolicy
redshift Redshift AmazonRedshiftServiceLinkedRolePolicy
replication.cassandra KeyspacesReplication KeyspacesReplicationServiceRolePolicy
replication.dynamodb DynamoDBReplication DynamoDBReplicationServiceRolePolicy
replication.ecr ECRReplication ECRReplicationServiceRolePolicy
replicator.lambda LambdaReplicator AWSLambdaReplicator
repository.sync.codeconnections GitSync AWSGitSyncServiceRolePolicy
resource-explorer-2 ResourceExplorer AWSResourceExplorerServiceRolePolicy
rolesanywhere RolesAnywhere AWSRolesAnywhereServicePolicy
s3-outposts S3OnOutposts AWSS3OnOutpostsServiceRolePolicy
sagemaker.application-autoscaling ApplicationAutoScaling_SageMakerEndpoint AWSApplicationAutoscalingSageMakerEndpointPolicy
schemas Schemas AmazonEventBridgeSchemasServiceRolePolicy
securityhub SecurityHub AWSSecurityHubServiceRolePolicy
ses AmazonSES AmazonSESServiceRolePolicy
shield AWSShield AWSShieldServiceRolePolicy
spot EC2Spot AWSEC2SpotServiceRolePolicy
spotfleet EC2SpotFleet AWSEC2SpotFleetServiceRolePolicy
ssm AmazonSSM AmazonSSMServiceRolePolicy
ssm-incidents IncidentManager AWSIncidentManagerServiceRolePolicy
ssm-quicksetup SSMQuickSetup SSMQuickSetupRolePolicy
sso SSO AWSSSOServiceRolePolicy
stacksets.cloudformation CloudFormationStackSetsOrgAdmin CloudFormationStackSetsOrgAdminServiceRolePolicy
support Support AWSSupportServiceRolePolicy
transitgateway VPCTransitGateway AWSVPCTransitGatewayServiceRolePolicy
trustedadvisor TrustedAdvisor AWSTrustedAdvisorServiceRolePolicy
vpcorigin.cloudfront CloudFrontVPCOrigin AWSCloudFrontVPCOriginServiceRolePolicy
waf WAFLogging WAFLoggingServiceRolePolicy
wafv2 WAFV2Logging WAFV2LoggingServiceRolePolicy
`

// CreateServiceLinkedRole is iam:CreateServiceLinkedRole.
func (s *Service) CreateServiceLinkedRole(ctx context.Context, in *iamapi.CreateServiceLinkedRoleInput) (*iamapi.CreateServiceLinkedRoleOutput, error) {
	service := in.AWSServiceName
	short, ok := strings.CutSuffix(strings.TrimSuffix(service, ".cn"), ".amazonaws.com")
	l, known := linkedRoles()[short]
	if !ok || !known {
		return nil, iamapi.InvalidInputException("There is no service-linked role for the service %s.", service)
	}
	name := l.role
	if in.CustomSuffix.Set {
		if !l.suffix {
			return nil, iamapi.InvalidInputException("Custom suffix is not allowed for %s", service)
		}
		name += "_" + in.CustomSuffix.V
	}
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.CreateServiceLinkedRoleOutput, error) {
		if s.id(tx, h, aRole, name) != "" {
			return nil, iamapi.InvalidInputException("Service role name %s has been taken in this account, please try a different suffix.", name)
		}
		n, err := s.claim(tx, h, aRole, name, aws.Some(serviceRolePath+service+"/"), nil)
		if err != nil {
			return nil, err
		}
		r := roleRecord{
			named: n, Service: service, MaxSession: anHour, Description: in.Description.V, Described: in.Description.Set,
			Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`,
		}
		if p, ok := managed.Lookup("arn:aws:iam::aws:policy" + serviceRolePath + l.policy); ok {
			ref := byAWS + p.Path + p.Name
			r.Attached = []string{ref}
			s.use(tx, h, ref, asPermission, &entity{kind: aRole, named: &r.named, permits: &r.permits})
		}
		s.tables.roles.Set(tx, r, h.account, r.ID)
		out := s.roleOut(tx, h, r)
		return &iamapi.CreateServiceLinkedRoleOutput{Role: &out}, nil
	})
}

// DeleteServiceLinkedRole is iam:DeleteServiceLinkedRole. No service holds on to its role, so the role is gone when the task is
// answered.
func (s *Service) DeleteServiceLinkedRole(ctx context.Context, in *iamapi.DeleteServiceLinkedRoleInput) (*iamapi.DeleteServiceLinkedRoleOutput, error) {
	return update(ctx, s, func(tx *store.Tx, h home) (*iamapi.DeleteServiceLinkedRoleOutput, error) {
		r, err := s.role(tx, h, in.RoleName)
		if err != nil {
			return nil, err
		}
		if r.Service == "" {
			return nil, form.Missing("role", in.RoleName)
		}
		if err := s.dropRole(tx, h, r); err != nil {
			return nil, err
		}
		task := "task" + r.Path + r.Name + "/" + tx.NewID()
		s.tables.deletions.Set(tx, deletionRecord{Role: r.ID, At: form.Seconds(tx)}, h.account, task)
		return &iamapi.DeleteServiceLinkedRoleOutput{DeletionTaskId: task}, nil
	})
}

// GetServiceLinkedRoleDeletionStatus is iam:GetServiceLinkedRoleDeletionStatus.
func (s *Service) GetServiceLinkedRoleDeletionStatus(ctx context.Context, in *iamapi.GetServiceLinkedRoleDeletionStatusInput) (*iamapi.GetServiceLinkedRoleDeletionStatusOutput, error) {
	return view(ctx, s, func(tx *store.Tx, h home) (*iamapi.GetServiceLinkedRoleDeletionStatusOutput, error) {
		if !s.tables.deletions.Has(tx, h.account, in.DeletionTaskId) {
			return nil, iamapi.NoSuchEntityException("Deletion task id %s cannot be found.", in.DeletionTaskId)
		}
		return &iamapi.GetServiceLinkedRoleDeletionStatusOutput{Status: iamapi.DeletionTaskStatusTypeSUCCEEDED}, nil
	})
}
