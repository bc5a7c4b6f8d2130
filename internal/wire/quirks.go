package wire

// quirks are what a service does otherwise than its model and protocol say.
type quirks struct {
	own        bool               // its code checks lengths, ranges, patterns and enums itself, with texts of its own
	loose      bool               // enums and patterns are not checked: what the model says is stricter than what AWS accepts
	hidden     bool               // what is wrong with a value is said without the value
	parameter  bool               // what the model does not allow is an InvalidParameterException
	names      bool               // names of log groups and streams that are too long are refused before all else
	missing    string             // the text for a member that is required and not there; Coral's where empty. With own only scalars are asked for
	inputShape bool               // the paths of constraint errors begin with the input's shape
	action     string             // the text for an action that does not exist
	queueURL   bool               // the path of a query request names the queue where no parameter does
	crc32      bool               // answers carry the CRC-32 of their body
	xmlHeader  string             // in front of XML answers
	xmlType    []string           // their content type
	maxBody    int64              // of request bodies held in memory; 0 = maxBody
	bareErrors bool               // restXml: the error is the root of the answer
	hostID     bool               // answers carry x-amz-request-id and x-amz-id-2
	detail     bool               // query errors have an empty Detail
	oldNames   map[string]oldName // query answers in JSON: members that are not called there as in the model
	shadowed   map[string]bool    // REST: operations that others of the same URI go before
	copies     map[string]string  // REST: what an operation becomes where X-Amz-Copy-Source is sent
	result     string             // restXml: what follows the operation name in an answer that the model does not name
}

const (
	maxBody        = 16 << 20
	plainXML       = `<?xml version="1.0"?>`
	utf8XML        = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	noSuchAction   = "The action %s is not valid for this web service."
	notHere        = "The action %s is not valid for this endpoint."
	coralAction    = "Could not find operation %s for version %s"
	missingInQuery = "The request must contain the parameter %s."
)

func quirksOf(service string) quirks {
	q := quirks{action: coralAction, xmlType: typeTextXML, result: "Response"}
	switch service {
	case "sqs":
		q.own, q.missing, q.action, q.queueURL, q.xmlHeader, q.detail = true, missingInQuery, notHere, true, plainXML, true
		q.oldNames = map[string]oldName{"QueueUrls": {"queueUrls", "[]"}, "Messages": {"messages", "null"}}
	case "ec2":
		q.loose, q.missing, q.action, q.xmlHeader, q.xmlType = true, missingInQuery, noSuchAction, utf8XML, typeEC2
	case "dynamodb", "dynamodbstreams":
		q.crc32 = true
	case "s3":
		q.own, q.bareErrors, q.hostID, q.xmlHeader, q.xmlType, q.result = true, true, true, utf8XML, typeXML, "Result"
		q.shadowed = map[string]bool{
			"GetBucketLifecycle": true, "PutBucketLifecycle": true, "GetBucketNotification": true, "PutBucketNotification": true,
			"ListDirectoryBuckets": true, "CopyObject": true, "UploadPartCopy": true,
		}
		q.copies = map[string]string{"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}
	case "s3control":
		q.xmlHeader, q.xmlType = utf8XML, typeXML
	case "route53":
		q.xmlHeader = plainXML + "\n"
	case "apigateway", "apigatewayv2":
		q.inputShape = true
	case "lambda":
		q.loose, q.maxBody = true, 80<<20 // function code comes inline, up to 50 MiB before base64
	case "kinesis", "firehose":
		q.maxBody = 32 << 20
	case "iam":
		q.loose, q.hidden = true, true
	case "logs":
		q.loose, q.parameter, q.names = true, true, true
	case "ecr", "ssm", "cloudwatch":
		q.loose = true
	}
	return q
}
