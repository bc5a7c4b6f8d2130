package main

// loose are the variables whose members may hold more than the variable, or less: an alias, a name without what the service appends, a part
// of an ARN. Only the service knows which.
var loose = map[string]map[string]bool{
	"kms":            {"KeyId": true},
	"lambda":         {"FunctionName": true, "LayerName": true},
	"route53":        {"Id": true},
	"secretsmanager": {"SecretId": true},
}

// owners are the members that name another account, whose resource a call is about.
var owners = map[string]string{"ecr": "registryid", "glue": "catalogid", "s3control": "accountid", "sqs": "queueownerawsaccountid"}

// aliases are the members that a service's variables are, where their names do not tell.
var aliases = map[string]map[string]string{
	"cloudwatch":     {"InsightRuleName": "rulename rulenames"},
	"cognitoidp":     {"UserPoolId": "userpoolid"},
	"ecs":            {"TaskDefinitionFamilyName": "family"},
	"config":         {"StoredQueryName": "queryname"},
	"lambda":         {"LayerVersion": "versionnumber"},
	"rds":            {"DbInstanceName": "dbinstanceidentifier dbinstanceidentifiers targetdbinstanceidentifier"},
	"s3":             {"ObjectName": "key"},
	"secretsmanager": {"SecretId": "secretid name"},
}

// renamed are the actions of operations that do not have their name. Batches have that of what they are a batch of; S3 has names of its own.
var renamed = map[string]map[string]string{
	"lambda": {"Invoke": "InvokeFunction", "InvokeWithResponseStream": "InvokeFunction", "GetLayerVersionByArn": "GetLayerVersion"},
	"s3control": {
		"DeletePublicAccessBlock": "PutAccountPublicAccessBlock", "GetPublicAccessBlock": "GetAccountPublicAccessBlock",
		"PutPublicAccessBlock": "PutAccountPublicAccessBlock",
	},
	"sns": {"PublishBatch": "Publish"},
	"sqs": {"ChangeMessageVisibilityBatch": "ChangeMessageVisibility", "DeleteMessageBatch": "DeleteMessage", "SendMessageBatch": "SendMessage"},
	"s3": {
		"CompleteMultipartUpload":                     "PutObject",
		"CreateBucketMetadataConfiguration":           "CreateBucketMetadataTableConfiguration",
		"CreateMultipartUpload":                       "PutObject",
		"DeleteBucketAnalyticsConfiguration":          "PutAnalyticsConfiguration",
		"DeleteBucketCors":                            "PutBucketCORS",
		"DeleteBucketEncryption":                      "PutEncryptionConfiguration",
		"DeleteBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
		"DeleteBucketInventoryConfiguration":          "PutInventoryConfiguration",
		"DeleteBucketLifecycle":                       "PutLifecycleConfiguration",
		"DeleteBucketMetadataConfiguration":           "DeleteBucketMetadataTableConfiguration",
		"DeleteBucketMetricsConfiguration":            "PutMetricsConfiguration",
		"DeleteBucketOwnershipControls":               "PutBucketOwnershipControls",
		"DeleteBucketReplication":                     "PutReplicationConfiguration",
		"DeleteBucketTagging":                         "PutBucketTagging",
		"DeletePublicAccessBlock":                     "PutBucketPublicAccessBlock",
		"GetBucketAccelerateConfiguration":            "GetAccelerateConfiguration",
		"GetBucketAnalyticsConfiguration":             "GetAnalyticsConfiguration",
		"GetBucketEncryption":                         "GetEncryptionConfiguration",
		"GetBucketIntelligentTieringConfiguration":    "GetIntelligentTieringConfiguration",
		"GetBucketInventoryConfiguration":             "GetInventoryConfiguration",
		"GetBucketLifecycle":                          "GetLifecycleConfiguration",
		"GetBucketLifecycleConfiguration":             "GetLifecycleConfiguration",
		"GetBucketMetadataConfiguration":              "GetBucketMetadataTableConfiguration",
		"GetBucketMetricsConfiguration":               "GetMetricsConfiguration",
		"GetBucketNotificationConfiguration":          "GetBucketNotification",
		"GetBucketReplication":                        "GetReplicationConfiguration",
		"GetObjectLockConfiguration":                  "GetBucketObjectLockConfiguration",
		"GetPublicAccessBlock":                        "GetBucketPublicAccessBlock",
		"HeadBucket":                                  "ListBucket",
		"HeadObject":                                  "GetObject",
		"ListBucketAnalyticsConfigurations":           "GetAnalyticsConfiguration",
		"ListBucketIntelligentTieringConfigurations":  "GetIntelligentTieringConfiguration",
		"ListBucketInventoryConfigurations":           "GetInventoryConfiguration",
		"ListBucketMetricsConfigurations":             "GetMetricsConfiguration",
		"ListBuckets":                                 "ListAllMyBuckets",
		"ListMultipartUploads":                        "ListBucketMultipartUploads",
		"ListObjectVersions":                          "ListBucketVersions",
		"ListObjects":                                 "ListBucket",
		"ListObjectsV2":                               "ListBucket",
		"ListParts":                                   "ListMultipartUploadParts",
		"PutBucketAccelerateConfiguration":            "PutAccelerateConfiguration",
		"PutBucketAnalyticsConfiguration":             "PutAnalyticsConfiguration",
		"PutBucketEncryption":                         "PutEncryptionConfiguration",
		"PutBucketIntelligentTieringConfiguration":    "PutIntelligentTieringConfiguration",
		"PutBucketInventoryConfiguration":             "PutInventoryConfiguration",
		"PutBucketLifecycle":                          "PutLifecycleConfiguration",
		"PutBucketLifecycleConfiguration":             "PutLifecycleConfiguration",
		"PutBucketMetricsConfiguration":               "PutMetricsConfiguration",
		"PutBucketNotificationConfiguration":          "PutBucketNotification",
		"PutBucketReplication":                        "PutReplicationConfiguration",
		"PutObjectLockConfiguration":                  "PutBucketObjectLockConfiguration",
		"PutPublicAccessBlock":                        "PutBucketPublicAccessBlock",
		"SelectObjectContent":                         "GetObject",
		"UploadPart":                                  "PutObject",
	},
}
