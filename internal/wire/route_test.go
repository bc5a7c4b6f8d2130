package wire_test

import (
	"net/http"
	"testing"

	"github.com/obidos-cloud/obidos/internal/api"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

func host(r *http.Request, h string) *http.Request {
	r.Host = h
	return r
}

// Which operation of which service a request is for, and in which protocol, whether it is served or not.
func TestRouting(t *testing.T) {
	w := wire.New(api.All()...)
	const json11 = "Content-Type: application/x-amz-json-1.1"
	for _, c := range []struct {
		request  *http.Request
		body     string
		service  string
		action   string
		protocol model.Protocol
	}{
		{request("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData", "", "Smithy-Protocol: rpc-v2-cbor", signed("monitoring")), "", "cloudwatch", "PutMetricData", model.CBOR},
		{request("POST", "/", "", "X-Amz-Target: GraniteServiceVersion20100801.PutMetricData", signed("monitoring")), "", "cloudwatch", "PutMetricData", model.JSON10},
		{request("POST", "/", "", form, signed("monitoring")), "Action=PutMetricData&Version=2010-08-01", "cloudwatch", "PutMetricData", model.Query},
		{request("POST", "/", "", "X-Amz-Target: DynamoDB_20120810.PutItem", json11, signed("dynamodb")), "", "dynamodb", "PutItem", model.JSON10},
		{request("POST", "/", "", "X-Amz-Target: DynamoDBStreams_20120810.GetRecords", signed("dynamodb")), "", "dynamodbstreams", "GetRecords", model.JSON10},
		{request("POST", "/", "", "X-Amz-Target: Kinesis_20131202.PutRecord", "Content-Type: application/x-amz-cbor-1.1", signed("kinesis")), "", "kinesis", "PutRecord", model.CBOR11},
		{request("POST", "/", "", "X-Amz-Target: AWSEvents.PutEvents"), "", "events", "PutEvents", model.JSON11},
		{request("POST", "/", "", "X-Amz-Target: AmazonSQS.SendMessage", json11), "", "sqs", "SendMessage", model.JSON10},
		{request("POST", "/000000000000/q", "", "X-Amz-Target: AmazonSQS.SendMessage"), "", "sqs", "SendMessage", model.JSON10},
		{request("POST", "/queue/eu-west-1/000000000000/q", "", form), "Action=SendMessage", "sqs", "SendMessage", model.Query},
		{request("GET", "/000000000000/q?Action=ReceiveMessage", ""), "", "sqs", "ReceiveMessage", model.Query},
		{request("GET", "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Credential=AKID%2F20260101%2Fus-east-1%2Fsts%2Faws4_request", ""), "", "sts", "GetCallerIdentity", model.Query},
		{request("POST", "/", "", form), "Action=GetCallerIdentity&Version=2011-06-15", "sts", "GetCallerIdentity", model.Query},
		{request("POST", "/", "", form, signed("sns")), "Action=Publish&Version=2010-03-31", "sns", "Publish", model.Query},
		{request("GET", "/?Action=ConfirmSubscription&TopicArn=x&Token=y", ""), "", "sns", "ConfirmSubscription", model.Query},
		{request("POST", "/", "", form, signed("ec2")), "Action=DescribeVpcs&Version=2016-11-15", "ec2", "DescribeVpcs", model.EC2},
		{request("POST", "/", "", form, signed("elasticloadbalancing")), "Action=DescribeLoadBalancers&Version=2015-12-01", "elbv2", "DescribeLoadBalancers", model.Query},
		{request("GET", "/2015-03-31/functions/", "", signed("lambda")), "", "lambda", "ListFunctions", model.RestJSON},
		{request("GET", "/2015-03-31/functions", ""), "", "lambda", "ListFunctions", model.RestJSON},
		{request("POST", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af/invocations", "", signed("lambda")), "", "lambda", "Invoke", model.RestJSON},
		{request("GET", "/restapis", "", signed("apigateway")), "", "apigateway", "GetRestApis", model.RestJSON},
		{request("GET", "/v2/apis", "", signed("apigateway")), "", "apigatewayv2", "GetApis", model.RestJSON},
		{request("POST", "/@connections/abc", "", signed("execute-api")), "", "apigatewaymanagementapi", "PostToConnection", model.RestJSON},
		{request("GET", "/2021-01-01/domain", "", signed("es")), "", "opensearch", "ListDomainNames", model.RestJSON},
		{request("GET", "/2015-01-01/domain", "", signed("es")), "", "es", "ListDomainNames", model.RestJSON},
		{request("GET", "/v20180820/jobs", "", signed("s3")), "", "s3control", "ListJobs", model.RestXML},
		{request("GET", "/2013-04-01/hostedzone", "", signed("route53")), "", "route53", "ListHostedZones", model.RestXML},
		{request("GET", "/", "", signed("s3")), "", "s3", "ListBuckets", model.RestXML},
		{request("PUT", "/bucket", ""), "", "s3", "CreateBucket", model.RestXML},
		{request("GET", "/bucket/?list-type=2&prefix=a", "", signed("s3")), "", "s3", "ListObjectsV2", model.RestXML},
		{request("GET", "/bucket/a/b//c", "", signed("s3")), "", "s3", "GetObject", model.RestXML},
		{request("PUT", "/bucket/a", "", signed("s3"), "X-Amz-Copy-Source: /b/k"), "", "s3", "CopyObject", model.RestXML},
		{request("PUT", "/bucket/a?partNumber=1&uploadId=u", "", signed("s3")), "", "s3", "UploadPart", model.RestXML},
		{request("DELETE", "/bucket/a?uploadId=u", "", signed("s3")), "", "s3", "AbortMultipartUpload", model.RestXML},
		{request("DELETE", "/bucket/a", "", signed("s3")), "", "s3", "DeleteObject", model.RestXML},
		{request("GET", "/bucket?lifecycle", "", signed("s3")), "", "s3", "GetBucketLifecycleConfiguration", model.RestXML},
		{host(request("GET", "/key", "", signed("s3")), "bucket.s3.us-east-1.amazonaws.com"), "", "s3", "GetObject", model.RestXML},
		{host(request("GET", "/?uploads", ""), "bucket.s3.localhost:4566"), "", "s3", "ListMultipartUploads", model.RestXML},
		{host(request("POST", "/", "", form), "sqs.eu-west-1.localhost:4566"), "Action=ListQueues", "sqs", "ListQueues", model.Query},
		{host(request("POST", "/", "", "X-Amz-Target: AWSStepFunctions.StartSyncExecution", signed("states")), "sync-states.us-east-1.amazonaws.com"), "", "stepfunctions", "StartSyncExecution", model.JSON10},
		{request("POST", "/clusters", "", signed("braket")), "", "", "", model.RestJSON},
	} {
		m, e := w.Route(c.request, func() ([]byte, error) { return []byte(c.body), nil })
		service, action := "", ""
		if m.Service != nil {
			service = m.Service.Name
		}
		if m.Operation != nil {
			action = m.Operation.Name
		}
		if service != c.service || action != c.action || m.Protocol != c.protocol {
			t.Errorf("%s %s%s %v %s: %s %s in protocol %d (%v), want %s %s in %d", c.request.Method, c.request.Host, c.request.URL, c.request.Header, c.body,
				service, action, m.Protocol, e, c.service, c.action, c.protocol)
		}
		if served := m.Operation != nil && m.Operation.Served(); served != (e == nil) {
			t.Errorf("%s: served %v, error %v", c.request.URL, served, e)
		}
	}
}

// The body is read only where nothing else tells the operation.
func TestRoutingLeavesTheBody(t *testing.T) {
	w := wire.New(api.All()...)
	for _, r := range []*http.Request{
		request("POST", "/", "", "X-Amz-Target: AmazonSQS.SendMessage"),
		request("PUT", "/bucket/key", "", signed("s3")),
		request("GET", "/?Action=ListQueues", "", signed("sqs")),
		request("POST", "/2015-03-31/functions/f/invocations", "", signed("lambda")),
	} {
		w.Route(r, func() ([]byte, error) {
			t.Errorf("%s %s: the body was read", r.Method, r.URL)
			return nil, nil
		})
	}
}
