package insights_test

import (
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/insights"
)

// Every query that AWS's documentation of the language shows, over messages that it can be about.
func TestDocumented(t *testing.T) {
	t.Parallel()
	flow := []string{
		"2 123456789010 eni-1235b8ca 192.0.2.7 172.31.16.21 20641 22 17 20 4249 1418530010 1418530070 ACCEPT OK",
		"2 123456789010 eni-1235b8ca 192.0.3.7 172.31.16.21 20641 22 6 10 100 1418530010 1418530070 REJECT SKIPDATA",
	}
	lambda := []string{
		"START RequestId: 6af98cbb-1c45-4a15-8b4c-4c8b5fcb8d6a Version: $LATEST",
		"REPORT RequestId: 6af98cbb-1c45-4a15-8b4c-4c8b5fcb8d6a\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\t",
	}
	dns := []string{"1.0 2017-12-13T08:16:02.130Z Z123412341234 example.com A SERVFAIL UDP FRA6 192.168.1.1 -"}
	trail := []string{
		`{"eventSource": "ec2.amazonaws.com", "eventName": "StartInstances", "awsRegion": "us-east-2", "region": "us-east-2"}`,
		`{"eventSource": "iam.amazonaws.com", "eventName": "CreateUser", "awsRegion": "us-east-1", "requestParameters": {"userName": "Bob"}, "responseElements": {"user": {"arn": "arn:aws:iam::1:user/Bob"}}}`,
		`{"eventSource": "cloudtrail.amazonaws.com", "eventName": "UpdateTrail", "awsRegion": "us-east-1", "errorCode": "Denied", "errorMessage": "no"}`,
	}
	f := []string{
		`{"f1": "an Exception", "f2": "x", "f3": 30, "f4": 10, "duration": 2500, "statusCode": 200, "Operation": "Get", "StatusCode": 200, "foo-bar": "fb", "action": "A", "myField": -3, "accountId": "1", "server": "s1", "severity": "high", "message": "m1"}`,
		`{"f1": "exception", "f2": "y", "f3": 20, "f4": 1, "duration": 1000, "statusCode": 500, "Type": "foo", "resolverArn": "r", "accountId": "7983124201998", "server": "s1", "severity": "low", "message": "m2"}`,
	}
	parsed := []string{"25 May 2019 10:24:39,474 [ERROR] {foo=2, bar=data} The error was: DataIntegrityException", "25 May 2019 10:24:40,000 [INFO] fine"}
	users := []string{"user=ann, method:GET, latency := 10", "user=ann, method:GET, latency := 20", "user=ben, method:PUT, latency := 6"}
	at := "2023-11-14 22:13:2"
	for _, c := range []struct {
		messages []string
		query    string
		want     string
	}{
		{parsed[1:], "fields @timestamp, @message | sort @timestamp desc | limit 25", "@timestamp=" + at + "0.000, @message=" + parsed[1]},
		{f, "filter @message like /Exception/ \n| stats count(*) as exceptionCount by bin(1h)\n| sort exceptionCount desc", "bin(1h)=2023-11-14 22:00:00.000, exceptionCount=1"},
		{parsed, "fields @message | filter @message not like /Exception/", "@message=" + parsed[1]},
		{f, "fields `foo-bar`, action, abs(f3-f4)", "abs(f3-f4)=19; foo-bar=fb, action=A, abs(f3-f4)=20"},
		{f, "fields concat(Operation, '-', StatusCode) as opStatus | filter opStatus != '-'", "opStatus=Get-200"},
		{f, "fields f1, f2, f3 | filter (duration>2000)", "f1=an Exception, f2=x, f3=30"},
		{f, "filter (duration>2000)", "@timestamp=" + at + "0.000, @message=" + f[0]},
		{f, "fields f1, f2 | filter (f1=10 or f3>25)", "f1=an Exception, f2=x"},
		{f, `fields f1 | filter statusCode like /2\d\d/`, "f1=an Exception"},
		{f, "fields statusCode, @timestamp \n    | filter statusCode in [300,400,500]", "statusCode=500, @timestamp=" + at + "1.000"},
		{f, "fields f2, @timestamp\n    | filter Type not in [\"foo\",\"bar\",1]", "f2=x, @timestamp=" + at + "0.000"},
		{f, "stats avg (f3) by f2", "f2=x, avg (f3)=30; f2=y, avg (f3)=20"},
		{f, "fields f1, f2, f3 | sort f3 desc | display f3", "f3=30; f3=20"},
		{f, "fields f1, f2 | sort @timestamp desc | limit 25", "f1=exception, f2=y; f1=an Exception, f2=x"},
		{f, "sort @timestamp desc | limit 25  |  display f1, f2", "f1=exception, f2=y; f1=an Exception, f2=x"},
		{f, "fields f1, f2, f3 | filter f1 like /Exception/", "f1=an Exception, f2=x, f3=30"},
		{f, "fields f1, f2, f3 | filter f1 =~ /Exception/", "f1=an Exception, f2=x, f3=30"},
		{f, `fields f1, f2, f3 | filter f1 like "Exception"`, "f1=an Exception, f2=x, f3=30"},
		{f, "fields f1, f2, f3 | filter f1 like /(?i)Exception/ ", "f1=exception, f2=y, f3=20; f1=an Exception, f2=x, f3=30"},
		{f, "fields f1, f2, f3 | filter f1 =~ /^(?i)Exception$/", "f1=exception, f2=y, f3=20"},
		{f, "fields abs(myField) as AbsoluteValuemyField, myField2", "; AbsoluteValuemyField=3"},
		{f, "stats avg(f3) as myAvgF1 | sort myAvgF1 desc", "myAvgF1=25"},
		{f, "fields ispresent(resolverArn) as isRes", "isRes=1; isRes=0"},
		{parsed, "fields @message\n    | parse @message \"[*] *\" as loggingType, loggingMessage\n    | filter loggingType = \"ERROR\"\n    | display loggingMessage", "loggingMessage={foo=2, bar=data} The error was: DataIntegrityException"},
		{parsed[:1], `parse @message "[*] * The error was: *" as level, config, exception | display level, config, exception`, "level=ERROR, config={foo=2, bar=data}, exception=DataIntegrityException"},
		{parsed[:1], `parse @message /\[(?<level>\S+)\]\s+(?<config>\{.*\})\s+The error was: (?<exception>\S+)/ | display level, config, exception`, "level=ERROR, config={foo=2, bar=data}, exception=DataIntegrityException"},
		{users, "parse @message \"user=*, method:*, latency := *\" as @user,\n    @method, @latency | stats avg(@latency) by @method,\n    @user", "@method=GET, @user=ann, avg(@latency)=15; @method=PUT, @user=ben, avg(@latency)=6"},
		{users, "parse @message /user=(?<user2>.*?), method:(?<method2>.*?), latency := (?<latency2>.*?)$/ \n    | stats avg(latency2) by method2, user2", "method2=GET, user2=ann, avg(latency2)=15; method2=PUT, user2=ben, avg(latency2)=6"},
		{users, "parse @message /user=(?<user2>.*?), method:(?<method2>.*?),\n    latency := (?<latency2>.*?)/ | stats avg(@latency2) by @method2, \n    @user2", ""},
		{[]string{"now [ERROR] a", "now [INFO] b", "now [WARN] c"}, "FIELDS @message\n    | PARSE @message \"* [*] *\" as loggingTime, loggingType, loggingMessage\n    | FILTER loggingType IN [\"ERROR\", \"INFO\"]\n    | DISPLAY loggingMessage, loggingType = \"ERROR\" as isError", "loggingMessage=b, isError=0; loggingMessage=a, isError=1"},
		{[]string{"1557771234.123 x TCP_MISS/200 example.com:443"}, `parse @message /(?<time>[0-9]{10}\.[0-9]{1,3}) .* (?<code>[A-Z_]+\/[0-9]{3}) (?<url>[a-zA-Z.]+:[0-9]{1,5})/ | display time, code, url`, "time=1557771234.123, code=TCP_MISS/200, url=example.com:443"},
		{[]string{"delay"}, "fields @timestamp, @message\n    # | filter @message like /delayed/\n    | limit 20", "@timestamp=" + at + "0.000, @message=delay"},
		{lambda, "filter @type = \"REPORT\"\n| stats max(@memorySize / 1000 / 1000) as provisonedMemoryMB,\n    min(@maxMemoryUsed / 1000 / 1000) as smallestMemoryRequestMB,\n    avg(@maxMemoryUsed / 1000 / 1000) as avgMemoryUsedMB,\n    max(@maxMemoryUsed / 1000 / 1000) as maxMemoryUsedMB,\n    provisonedMemoryMB - maxMemoryUsedMB as overProvisionedMB", "provisonedMemoryMB=128, smallestMemoryRequestMB=64, avgMemoryUsedMB=64, maxMemoryUsedMB=64, overProvisionedMB=64"},
		{lambda, "filter @type = \"REPORT\" |\nstats avg(@duration), max(@duration), min(@duration) by bin(5m)", "bin(5m)=2023-11-14 22:10:00.000, avg(@duration)=12.34, max(@duration)=12.34, min(@duration)=12.34"},
		{flow, "stats sum(packets) as packetsTransferred by srcAddr, dstAddr\n| sort packetsTransferred  desc\n| limit 15", "srcAddr=192.0.2.7, dstAddr=172.31.16.21, packetsTransferred=20; srcAddr=192.0.3.7, dstAddr=172.31.16.21, packetsTransferred=10"},
		{flow, "filter isIpv4InSubnet(srcAddr, \"192.0.2.0/24\")\n    | stats sum(bytes) as bytesTransferred by dstAddr\n    | sort bytesTransferred desc\n    | limit 15", "dstAddr=172.31.16.21, bytesTransferred=4249"},
		{flow, "filter protocol=17 | stats count(*) by srcAddr", "srcAddr=192.0.2.7, count(*)=1"},
		{flow, "filter logStatus=\"SKIPDATA\"\n| stats count(*) by bin(1h) as t\n| sort t", "t=2023-11-14 22:00:00.000, count(*)=1"},
		{dns, "stats count(*) by queryType, bin(1h)", "queryType=A, bin(1h)=2023-11-14 22:00:00.000, count(*)=1"},
		{dns, "stats count(*) as numRequests by resolverIp\n| sort numRequests desc\n| limit 10", "resolverIp=192.168.1.1, numRequests=1"},
		{dns, `filter responseCode="SERVFAIL" | stats count(*) by queryName`, "queryName=example.com, count(*)=1"},
		{trail[:1], "stats count(*) by eventSource, eventName, awsRegion", "eventSource=ec2.amazonaws.com, eventName=StartInstances, awsRegion=us-east-2, count(*)=1"},
		{trail, `filter (eventName="StartInstances" or eventName="StopInstances") and region="us-east-2" | display eventName`, "eventName=StartInstances"},
		{trail, "filter eventName=\"CreateUser\"\n| fields awsRegion, requestParameters.userName, responseElements.user.arn", "awsRegion=us-east-1, requestParameters.userName=Bob, responseElements.user.arn=arn:aws:iam::1:user/Bob"},
		{trail, "filter eventName=\"UpdateTrail\" and ispresent(errorCode)\n| stats count(*) by errorCode, errorMessage", "errorCode=Denied, errorMessage=no, count(*)=1"},
		{f, "fields @timestamp, server, severity, message \n| sort @timestamp desc \n| dedup server", "@timestamp=" + at + "1.000, server=s1, severity=low, message=m2"},
		{f, "fields f2, accountId as ID | sort @timestamp desc | limit 20", "f2=y, ID=7983124201998; f2=x, ID=1"},
		{f, "stats count(*) by duration as time | sort time desc", "time=2500, count(*)=1; time=1000, count(*)=1"},
		{f, "fields f2, accountId\n# | filter accountId not like \"7983124201998\"\n| sort @timestamp desc | limit 20", "f2=y, accountId=7983124201998; f2=x, accountId=1"},
		{f, "stats avg(f3), min(f4), max(duration) by bin(5m)", "bin(5m)=2023-11-14 22:10:00.000, avg(f3)=25, min(f4)=1, max(duration)=2500"},
		{[]string{"12345", "123"}, "FIELDS strlen(@message) AS message_length\n| STATS sum(message_length) as logs_b BY bin(5m)\n| STATS max(logs_b) AS peak_ingest, min(logs_b) AS min_ingest, avg(logs_b) AS avg_ingest", "peak_ingest=8, min_ingest=8, avg_ingest=8"},
		{trail[:1], "fields jsonParse(@message) as json_message | stats count() by json_message.eventName", "json_message.eventName=StartInstances, count()=1"},
		{parsed[1:], "fields @timestamp, @message, unmask(@message) | display unmask(@message)", "unmask(@message)=" + parsed[1]},
	} {
		if got := answer(t, c.query, insights.Options{}, c.messages...); got != c.want && c.want != "" {
			t.Errorf("%s\n%s, want\n%s", c.query, got, c.want)
		}
	}
	for query := range strings.SplitSeq(accepted, "\n") {
		if _, err := insights.Parse(strings.TrimSpace(query)); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// accepted are queries as people publish them, which have to be understood.
const accepted = `fields @timestamp, @message, @logStream, @log | sort @timestamp desc | limit 10000
stats count(*) by bin(5m) as period
filter @message like /Exception/ | stats count(*) by @logStream
filter @type = "REPORT" | stats max(@maxMemoryUsed / 1000 / 1000) as maxMemoryUsedMB by bin(5m)
fields @timestamp, detail.eventSource, detail.eventName, @message | filter detail.eventSource like /s3.amazonaws.com/ | sort @timestamp desc | limit 100
filter statusCode >= 400 and statusCode < 500 | stats count() as errors by bin(15 minutes), path
stats pct(duration, 50) as p50, pct(duration, 95) as p95, pct(duration, 99) as p99 by bin(1h)
fields if(ispresent(request_source), request_source, "unknown") as source | stats count(*) by source
filter kubernetes.container_name = "web" and log like /(?i)error|warn/ | fields kubernetes.pod_name, log
filter @message like "2xx" or not (status in [200, 201]) | stats sum(bytes)/1024/1024 as mb by bin(1d)
pattern @message | sort @sampleCount desc | limit 5
filter @logStream = 'web-1' | pattern @message | diff previousWeek
stats count(*) as n by eventName | filter n > 10 | sort n desc | limit 5
filter ispresent(userIdentity.sessionContext.sessionIssuer.arn) | stats count() by userIdentity.sessionContext.sessionIssuer.arn`
