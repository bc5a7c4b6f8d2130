package logtransform_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/obidos-cloud/obidos/internal/lang/logtransform"
)

// documented are the examples of AWS's guide: a log event, the processors, and what becomes of it.
var documented = []struct{ name, message, config, want string }{
	{
		"parseJSON", `{"outer_key":{"inner_key":"inner_value"}}`, `[{"parseJSON":{"destination":"new_key"}}]`,
		`{"new_key":{"outer_key":{"inner_key":"inner_value"}}}`,
	},
	{
		"grok", `293750 server-01.internal-network.local OK "[Thread-000] token generated"`,
		`[{"grok":{"match":"%{NUMBER:version} %{HOSTNAME:hostname} %{NOTSPACE:status} %{QUOTEDSTRING:logMsg}"}}]`,
		`{"version":"293750","hostname":"server-01.internal-network.local","status":"OK","logMsg":"[Thread-000] token generated"}`,
	},
	{
		"grok date", `23/Nov/2024:10:25:15 -0900 172.16.0.1 200`,
		`[{"grok":{"match":"%{HTTPDATE:timestamp} %{IPORHOST:clientip} %{NUMBER:response_status}"}}]`,
		`{"timestamp":"23/Nov/2024:10:25:15 -0900","clientip":"172.16.0.1","response_status":"200"}`,
	},
	{
		"grok redis", `1629860738.123456 [0 127.0.0.1:6379] "SET" "key1" "value1"`,
		`[{"grok":{"match":"%{NUMBER:timestamp} [%{NUMBER:db} %{IP:client_ip}:%{NUMBER:client_port}] %{GREEDYDATA:data}"}}]`,
		`{"timestamp":"1629860738.123456","db":"0","client_ip":"127.0.0.1","client_port":"6379","data":"\"SET\" \"key1\" \"value1\""}`,
	},
	{
		"grok after parseJSON", `{"timestamp":"2024-11-23T16:03:12Z","level":"ERROR","logMsg":"GET /page.html HTTP/1.1"}`,
		`[{"parseJSON":{}},{"grok":{"source":"logMsg","match":"%{WORD:http_method} %{NOTSPACE:request} HTTP/%{NUMBER:http_version}"}}]`,
		`{"timestamp":"2024-11-23T16:03:12Z","level":"ERROR","logMsg":"GET /page.html HTTP/1.1","http_method":"GET","request":"/page.html","http_version":"1.1"}`,
	},
	{
		"grok dotted", `192.168.1.1 GET /index.html?param=value 200 1234`,
		`[{"grok":{"match":"%{IP:client.ip} %{WORD:method} %{URIPATHPARAM:request.uri} %{NUMBER:response.status} %{NUMBER:response.bytes}"}}]`,
		`{"client":{"ip":"192.168.1.1"},"method":"GET","request":{"uri":"/index.html?param=value"},"response":{"status":"200","bytes":"1234"}}`,
	},
	{
		"apache", `127.0.0.1 - - [03/Aug/2023:12:34:56 +0000] "GET /page.html HTTP/1.1" 200 1234`, `[{"grok":{"match":"%{APACHE_ACCESS_LOG}"}}]`,
		`{"request":"/page.html","http_method":"GET","status_code":200,"http_version":"1.1","response_size":1234,"remote_host":"127.0.0.1","timestamp":"2023-08-03T12:34:56Z"}`,
	},
	{
		"nginx", `192.168.1.100 - Foo [03/Aug/2023:12:34:56 +0000] "GET /account/login.html HTTP/1.1" 200 42 "https://www.amazon.com/" "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"`,
		`[{"grok":{"match":"%{NGINX_ACCESS_LOG}"}}]`,
		`{"request":"/account/login.html","referrer":"https://www.amazon.com/","agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)","http_method":"GET","status_code":200,"auth_user":"Foo","http_version":"1.1","response_size":42,"remote_host":"192.168.1.100","timestamp":"2023-08-03T12:34:56Z"}`,
	},
	{
		"syslog", `<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource= "Application" eventID="1011"][examplePriority@32473 class="high"]`,
		`[{"grok":{"match":"%{SYSLOG5424}"}}]`,
		`{"pri":165,"version":1,"timestamp":"2003-10-11T22:14:15.003Z","hostname":"mymachine.example.com","app":"evntslog","msg_id":"ID47","structured_data":"exampleSDID@32473 iut=\"3\" eventSource= \"Application\" eventID=\"1011\"","message":"[examplePriority@32473 class=\"high\"]"}`,
	},
	{
		"csv", `'Akua Mansa':28:'New York: USA'`, `[{"csv":{"delimiter":":","quoteCharacter":"'"}}]`,
		`{"column_1":"Akua Mansa","column_2":"28","column_3":"New York: USA"}`,
	},
	{
		"parseKeyValue", `key1:value1!key2:value2!key3:value3!key4`,
		`[{"parseKeyValue":{"destination":"new_key","fieldDelimiter":"!","keyValueDelimiter":":","nonMatchValue":"defaultValue","keyPrefix":"parsed_"}}]`,
		`{"new_key":{"parsed_key1":"value1","parsed_key2":"value2","parsed_key3":"value3","parsed_key4":"defaultValue"}}`,
	},
	{
		"parseWAF", `{"timestamp":1576280412771,"ruleGroupList":[],"httpRequest":{"clientIp":"1.1.1.1","headers":[{"name":"Host","value":"localhost:1989"},{"name":"x-stm-test","value":"10 AND 1=1"}],"args":""},"labels":[{"name":"value"}]}`,
		`[{"parseWAF":{}}]`,
		`{"httpRequest":{"headers":{"Host":"localhost:1989","x-stm-test":"10 AND 1=1"},"clientIp":"1.1.1.1","args":""},"labels":{"name":"value"},"timestamp":1576280412771,"ruleGroupList":[]}`,
	},
	{
		"parsePostgres", `2019-03-10 03:54:59 UTC:10.0.0.123(52834):postgres@logtestdb:[20175]:ERROR: column "wrong_column_name" does not exist at character 8`,
		`[{"parsePostgres":{}}]`,
		`{"logTime":"2019-03-10 03:54:59 UTC","srcIp":"10.0.0.123(52834)","userName":"postgres","dbName":"logtestdb","processId":"20175","logLevel":"ERROR"}`,
	},
	{
		"parseCloudfront", "2019-12-04  21:02:31   LAX1   392    192.0.2.24    GET    d111111abcdef8.cloudfront.net  /index.html    200    -  Mozilla/5.0%20(Windows%20NT%2010.0;%20Win64;%20x64)  -  -  Hit    SOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==   d111111abcdef8.cloudfront.net  https  23 0.001  -  TLSv1.2    ECDHE-RSA-AES128-GCM-SHA256    Hit    HTTP/2.0   -  -  11040  0.001  Hit    text/html  78 -  -",
		`[{"parseCloudfront":{}}]`,
		`{"date":"2019-12-04","time":"21:02:31","x-edge-location":"LAX1","sc-bytes":392,"c-ip":"192.0.2.24","cs-method":"GET","cs(Host)":"d111111abcdef8.cloudfront.net","cs-uri-stem":"/index.html","sc-status":200,"cs(Referer)":"-","cs(User-Agent)":"Mozilla/5.0 (Windows NT 10.0; Win64; x64)","cs-uri-query":"-","cs(Cookie)":"-","x-edge-result-type":"Hit","x-edge-request-id":"SOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==","x-host-header":"d111111abcdef8.cloudfront.net","cs-protocol":"https","cs-bytes":23,"time-taken":0.001,"x-forwarded-for":"-","ssl-protocol":"TLSv1.2","ssl-cipher":"ECDHE-RSA-AES128-GCM-SHA256","x-edge-response-result-type":"Hit","cs-protocol-version":"HTTP/2.0","fle-status":"-","fle-encrypted-fields":"-","c-port":11040,"time-to-first-byte":0.001,"x-edge-detailed-result-type":"Hit","sc-content-type":"text/html","sc-content-len":78,"sc-range-start":"-","sc-range-end":"-"}`,
	},
	{
		"parseRoute53", `1.0 2017-12-13T08:15:50.235Z Z123412341234 example.com AAAA NOERROR TCP IAD12 192.0.2.0 198.51.100.0/24`, `[{"parseRoute53":{}}]`,
		`{"version":1.0,"queryTimestamp":"2017-12-13T08:15:50.235Z","hostZoneId":"Z123412341234","queryName":"example.com","queryType":"AAAA","responseCode":"NOERROR","protocol":"TCP","edgeLocation":"IAD12","resolverIp":"192.0.2.0","ednsClientSubnet":"198.51.100.0/24"}`,
	},
	{
		"parseVPC", `2 123456789010 eni-abc123de 192.0.2.0 192.0.2.24 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK`, `[{"parseVPC":{}}]`,
		`{"version":2,"accountId":"123456789010","interfaceId":"eni-abc123de","srcAddr":"192.0.2.0","dstAddr":"192.0.2.24","srcPort":20641,"dstPort":22,"protocol":6,"packets":20,"bytes":4249,"start":1418530010,"end":1418530070,"action":"ACCEPT","logStatus":"OK"}`,
	},
	{
		"lowerCaseString", `{"outer_key":{"inner_key":"INNER_VALUE"}}`, `[{"parseJSON":{}},{"lowerCaseString":{"withKeys":["outer_key.inner_key"]}}]`,
		`{"outer_key":{"inner_key":"inner_value"}}`,
	},
	{
		"upperCaseString", `{"outer_key":{"inner_key":"inner_value"}}`, `[{"parseJSON":{}},{"upperCaseString":{"withKeys":["outer_key.inner_key"]}}]`,
		`{"outer_key":{"inner_key":"INNER_VALUE"}}`,
	},
	{
		"splitString", `{"outer_key":{"inner_key":"inner_value"}}`, `[{"parseJSON":{}},{"splitString":{"entries":[{"source":"outer_key.inner_key","delimiter":"_"}]}}]`,
		`{"outer_key":{"inner_key":["inner","value"]}}`,
	},
	{
		"splitString long", `{"outer_key":{"inner_key":"item1, item2, item3"}}`, `[{"parseJSON":{}},{"splitString":{"entries":[{"source":"outer_key.inner_key","delimiter":", "}]}}]`,
		`{"outer_key":{"inner_key":["item1","item2","item3"]}}`,
	},
	{
		"substituteString", `{"outer_key":{"inner_key1":"[]","inner_key2":"123-345-567","inner_key3":"A cat takes a catnap."}}`,
		`[{"parseJSON":{}},{"substituteString":{"entries":[{"source":"outer_key.inner_key1","from":"\\[\\]","to":"value1"},{"source":"outer_key.inner_key2","from":"[0-9]{3}-[0-9]{3}-[0-9]{3}","to":"xxx-xxx-xxx"},{"source":"outer_key.inner_key3","from":"cat","to":"dog"}]}}]`,
		`{"outer_key":{"inner_key1":"value1","inner_key2":"xxx-xxx-xxx","inner_key3":"A dog takes a dognap."}}`,
	},
	{
		"substituteString groups", `{"outer_key":{"inner_key1":"Tom, Dick, and Harry","inner_key2":"arn:aws:sts::123456789012:assumed-role/MyImportantRole/MySession"}}`,
		`[{"parseJSON":{}},{"substituteString":{"entries":[{"source":"outer_key.inner_key1","from":"(\\w+), (\\w+), and (\\w+)","to":"$1 and $3"},{"source":"outer_key.inner_key2","from":"^arn:aws:sts::(?P<account_id>\\d{12}):assumed-role/(?P<role_name>[\\w+=,.@-]+)/(?P<role_session_name>[\\w+=,.@-]+)$","to":"${account_id}:${role_name}:${role_session_name}"}]}}]`,
		`{"outer_key":{"inner_key1":"Tom and Harry","inner_key2":"123456789012:MyImportantRole:MySession"}}`,
	},
	{
		"trimString", `{"outer_key":{"inner_key":"   inner_value  "}}`, `[{"parseJSON":{}},{"trimString":{"withKeys":["outer_key.inner_key"]}}]`,
		`{"outer_key":{"inner_key":"inner_value"}}`,
	},
	{
		"addKeys", `{"outer_key":{"inner_key":"inner_value"}}`, `[{"parseJSON":{}},{"addKeys":{"entries":[{"key":"outer_key.new_key","value":"new_value"}]}}]`,
		`{"outer_key":{"inner_key":"inner_value","new_key":"new_value"}}`,
	},
	{"deleteKeys", `{"outer_key":{"inner_key":"inner_value"}}`, `[{"parseJSON":{}},{"deleteKeys":{"withKeys":["outer_key.inner_key"]}}]`, `{"outer_key":{}}`},
	{
		"moveKeys", `{"outer_key1":{"inner_key1":"inner_value1"},"outer_key2":{"inner_key2":"inner_value2"}}`,
		`[{"parseJSON":{}},{"moveKeys":{"entries":[{"source":"outer_key1.inner_key1","target":"outer_key2"}]}}]`,
		`{"outer_key1":{},"outer_key2":{"inner_key2":"inner_value2","inner_key1":"inner_value1"}}`,
	},
	{
		"renameKeys", `{"outer_key":{"inner_key":"inner_value"}}`, `[{"parseJSON":{}},{"renameKeys":{"entries":[{"key":"outer_key","target":"new_key"}]}}]`,
		`{"new_key":{"inner_key":"inner_value"}}`,
	},
	{
		"copyValue", `{"outer_key":{"inner_key":"inner_value"}}`,
		`[{"parseJSON":{}},{"copyValue":{"entries":[{"source":"outer_key.inner_key","target":"new_key"},{"source":"@logGroupName","target":"log_group_name"},{"source":"@logGroupStream","target":"log_group_stream"},{"source":"@accountId","target":"account_id"},{"source":"@regionName","target":"region_name"}]}}]`,
		`{"outer_key":{"inner_key":"inner_value"},"new_key":"inner_value","log_group_name":"myLogGroupName","log_group_stream":"myLogStreamName","account_id":"012345678912","region_name":"us-east-1"}`,
	},
	{
		"listToMap", toMap, `[{"parseJSON":{}},{"listToMap":{"source":"outer_key","key":"inner_key","valueKey":"inner_value","flatten":false}},{"deleteKeys":{"withKeys":["outer_key"]}}]`,
		`{"a":["val-a"],"b":["val-b1","val-b2"],"c":["val-c"]}`,
	},
	{
		"listToMap first", toMap, `[{"parseJSON":{}},{"listToMap":{"source":"outer_key","key":"inner_key","valueKey":"inner_value","flatten":true,"flattenedElement":"first"}},{"deleteKeys":{"withKeys":["outer_key"]}}]`,
		`{"a":"val-a","b":"val-b1","c":"val-c"}`,
	},
	{
		"listToMap last", toMap, `[{"parseJSON":{}},{"listToMap":{"source":"outer_key","key":"inner_key","valueKey":"inner_value","flatten":true,"flattenedElement":"last"}},{"deleteKeys":{"withKeys":["outer_key"]}}]`,
		`{"a":"val-a","b":"val-b2","c":"val-c"}`,
	},
	{"typeConverter", `{"name":"value","status":"200"}`, `[{"parseJSON":{}},{"typeConverter":{"entries":[{"key":"status","type":"integer"}]}}]`, `{"name":"value","status":200}`},
	// What the guide shows here, 17:00:00 MEZ, is neither the time in New York nor the name of its zone.
	{
		"dateTimeConverter", `{"german_datetime":"Samstag 05. Dezember 1998 11:00:00"}`,
		`[{"parseJSON":{}},{"dateTimeConverter":{"source":"german_datetime","target":"target_1","locale":"de","matchPatterns":["EEEE dd. MMMM yyyy HH:mm:ss"],"sourceTimezone":"Europe/Berlin","targetTimezone":"America/New_York","targetFormat":"yyyy-MM-dd'T'HH:mm:ss z"}}]`,
		`{"german_datetime":"Samstag 05. Dezember 1998 11:00:00","target_1":"1998-12-05T05:00:00 EST"}`,
	},
}

const toMap = `{"outer_key":[{"inner_key":"a","inner_value":"val-a"},{"inner_key":"b","inner_value":"val-b1"},{"inner_key":"b","inner_value":"val-b2"},{"inner_key":"c","inner_value":"val-c"}]}`

func apply(message, config string) (string, error) {
	t, err := logtransform.Parse([]byte(config))
	if err != nil {
		return "", err
	}
	return t.Apply(logtransform.Event{Message: message, Group: "myLogGroupName", Stream: "myLogStreamName", Account: "012345678912", Region: "us-east-1"})
}

// same reports whether two texts are the same JSON.
func same(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

func TestDocumented(t *testing.T) {
	t.Parallel()
	for _, c := range documented {
		if got, err := apply(c.message, c.config); err != nil || !same(got, c.want) {
			t.Errorf("%s:\n got %s (%v)\nwant %s", c.name, got, err, c.want)
		}
	}
}

// TestDocumentedPatterns are the examples of grok's patterns: what is read, the match, and what is found.
func TestDocumentedPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{`user123.name-TEST`, `%{USERNAME:name}`, `{"name":"user123.name-TEST"}`},
		{`-456`, `%{INT:num}`, `{"num":"-456"}`},
		{`-0.67`, `%{BASE10NUM:num}`, `{"num":"-0.67"}`},
		{`+0xA1B2`, `%{BASE16NUM:num}`, `{"num":"+0xA1B2"}`},
		{`123`, `%{POSINT:num}`, `{"num":"123"}`},
		{`007`, `%{NONNEGINT:num}`, `{"num":"007"}`},
		{`user_123`, `%{WORD:user}`, `{"user":"user_123"}`},
		{`hello_world123`, `%{NOTSPACE:msg}`, `{"msg":"hello_world123"}`},
		{` `, `%{SPACE:extra}`, `{"extra":" "}`},
		{`abc def ghi`, `%{DATA:x} %{DATA:y}`, `{"x":"abc","y":"def ghi"}`},
		{`abc def ghi`, `%{GREEDYDATA:x} %{GREEDYDATA:y}`, `{"x":"abc def","y":"ghi"}`},
		{"abc\ndef\nghi", `%{GREEDYDATA_MULTILINE:data}`, `{"data":"abc\ndef\nghi"}`},
		{`"Hello, world!"`, `%{QUOTEDSTRING:msg}`, `{"msg":"Hello, world!"}`},
		{`550e8400-e29b-41d4-a716-446655440000`, `%{UUID:id}`, `{"id":"550e8400-e29b-41d4-a716-446655440000"}`},
		{`urn:isbn:0451450523`, `%{URN:urn}`, `{"urn":"urn:isbn:0451450523"}`},
		{`arn:aws:iam:us-east-1:123456789012:user/johndoe`, `%{ARN:arn}`, `{"arn":"arn:aws:iam:us-east-1:123456789012:user/johndoe"}`},
		{`0123.4567.89AB`, `%{CISCOMAC:MacAddress}`, `{"MacAddress":"0123.4567.89AB"}`},
		{`01-23-45-67-89-AB`, `%{WINDOWSMAC:MacAddress}`, `{"MacAddress":"01-23-45-67-89-AB"}`},
		{`01:23:45:67:89:AB`, `%{COMMONMAC:MacAddress}`, `{"MacAddress":"01:23:45:67:89:AB"}`},
		{`01:23:45:67:89:AB`, `%{MAC:m1}`, `{"m1":"01:23:45:67:89:AB"}`},
		{`2001:db8:3333:4444:5555:6666:7777:8888`, `%{IPV6:ip}`, `{"ip":"2001:db8:3333:4444:5555:6666:7777:8888"}`},
		{`::ffff:10.0.0.1`, `%{IPV6:ip}`, `{"ip":"::ffff:10.0.0.1"}`},
		{`fe80::1%eth0`, `%{IPV6:ip}`, `{"ip":"fe80::1%eth0"}`},
		{`192.168.0.1`, `%{IPV4:ip}`, `{"ip":"192.168.0.1"}`},
		{`192.168.0.1`, `%{IP:ip}`, `{"ip":"192.168.0.1"}`},
		{`server-01.internal-network.local`, `%{HOST:host}`, `{"host":"server-01.internal-network.local"}`},
		{`2001:db8:3333:4444:5555:6666:7777:8888`, `%{IPORHOST:ip}`, `{"ip":"2001:db8:3333:4444:5555:6666:7777:8888"}`},
		{`192.168.1.1:8080`, `%{HOSTPORT:ip}`, `{"ip":"192.168.1.1:8080","PORT":"8080"}`},
		{`example.com:443 10.0.0.1`, `%{URIHOST:host} %{URIHOST:ip}`, `{"host":"example.com:443","port":"443","ip":"10.0.0.1"}`},
		{`/search?q=regex`, `%{UNIXPATH:path}`, `{"path":"/search?q=regex"}`},
		{`C:\Users\John\Documents\file.txt`, `%{WINPATH:path}`, `{"path":"C:\\Users\\John\\Documents\\file.txt"}`},
		{`/search?q=regex`, `%{PATH:path}`, `{"path":"/search?q=regex"}`},
		{`/dev/tty1`, `%{TTY:path}`, `{"path":"/dev/tty1"}`},
		{`web+transformer`, `%{URIPROTO:protocol}`, `{"protocol":"web+transformer"}`},
		{`/category/sub-category/product_name`, `%{URIPATH:path}`, `{"path":"/category/sub-category/product_name"}`},
		{`?param1=value1&param2=value2`, `%{URIPARAM:url}`, `{"url":"?param1=value1&param2=value2"}`},
		{`/category/sub-category/product?id=12345&color=red`, `%{URIPATHPARAM:path}`, `{"path":"/category/sub-category/product?id=12345&color=red"}`},
		{
			`https://user:password@example.com/path/to/resource?param1=value1&param2=value2`, `%{URI:path}`,
			`{"path":"https://user:password@example.com/path/to/resource?param1=value1&param2=value2"}`,
		},
		{`Jan`, `%{MONTH:month}`, `{"month":"Jan"}`},
		{`January`, `%{MONTH:month}`, `{"month":"January"}`},
		{`5`, `%{MONTHNUM:month}`, `{"month":"5"}`},
		{`05`, `%{MONTHNUM:month}`, `{"month":"05"}`},
		{`05`, `%{MONTHNUM2:month}`, `{"month":"05"}`},
		{`31`, `%{MONTHDAY:monthDay}`, `{"monthDay":"31"}`},
		{`2024`, `%{YEAR:year}`, `{"year":"2024"}`},
		{`24`, `%{YEAR:year}`, `{"year":"24"}`},
		{`Tuesday`, `%{DAY:day}`, `{"day":"Tuesday"}`},
		{`22`, `%{HOUR:hour}`, `{"hour":"22"}`},
		{`59`, `%{MINUTE:min}`, `{"min":"59"}`},
		{`3`, `%{SECOND:second}`, `{"second":"3"}`},
		{`30.5`, `%{SECOND:minSec}`, `{"minSec":"30.5"}`},
		{`30:5`, `%{SECOND:minSec}`, `{"minSec":"30:5"}`},
		{`09:45:32`, `%{TIME:time}`, `{"time":"09:45:32"}`},
		{`11/23/2024`, `%{DATE_US:date}`, `{"date":"11/23/2024"}`},
		{`1-01-24`, `%{DATE_US:date}`, `{"date":"1-01-24"}`},
		{`23/11/2024`, `%{DATE_EU:date}`, `{"date":"23/11/2024"}`},
		{`1.01.24`, `%{DATE_EU:date}`, `{"date":"1.01.24"}`},
		{`+05:30`, `%{ISO8601_TIMEZONE:tz}`, `{"tz":"+05:30"}`},
		{`-530`, `%{ISO8601_TIMEZONE:tz}`, `{"tz":"-530"}`},
		{`Z`, `%{ISO8601_TIMEZONE:tz}`, `{"tz":"Z"}`},
		{`60`, `%{ISO8601_SECOND:second}`, `{"second":"60"}`},
		{`2023-05-15T14:30:00+05:30`, `%{TIMESTAMP_ISO8601:timestamp}`, `{"timestamp":"2023-05-15T14:30:00+05:30"}`},
		{`23-5-1T1:25+5:30`, `%{TIMESTAMP_ISO8601:timestamp}`, `{"timestamp":"23-5-1T1:25+5:30"}`},
		{`23-5-1T1:25Z`, `%{TIMESTAMP_ISO8601:timestamp}`, `{"timestamp":"23-5-1T1:25Z"}`},
		{`11/29/2024`, `%{DATE:date}`, `{"date":"11/29/2024"}`},
		{`29.11.2024`, `%{DATE:date}`, `{"date":"29.11.2024"}`},
		{`29-11-2024 14:30:00`, `%{DATESTAMP:dateTime}`, `{"dateTime":"29-11-2024 14:30:00"}`},
		{`PDT`, `%{TZ:tz}`, `{"tz":"PDT"}`},
		{`Monday Jan 5 23 1:30:00 CDT`, `%{DATESTAMP_RFC822:dateTime}`, `{"dateTime":"Monday Jan 5 23 1:30:00 CDT"}`},
		{`Mon January 15 2023 14:30:00 PST`, `%{DATESTAMP_RFC822:dateTime}`, `{"dateTime":"Mon January 15 2023 14:30:00 PST"}`},
		{`Mon, 15 May 2023 14:30:00 +0530`, `%{DATESTAMP_RFC2822:dateTime}`, `{"dateTime":"Mon, 15 May 2023 14:30:00 +0530"}`},
		{`Monday, 15 Jan 23 14:30:00 Z`, `%{DATESTAMP_RFC2822:dateTime}`, `{"dateTime":"Monday, 15 Jan 23 14:30:00 Z"}`},
		{`Mon May 15 14:30:00 PST 2023`, `%{DATESTAMP_OTHER:dateTime}`, `{"dateTime":"Mon May 15 14:30:00 PST 2023"}`},
		{`20230515143000`, `%{DATESTAMP_EVENTLOG:dateTime}`, `{"dateTime":"20230515143000"}`},
		{`INFO`, `%{LOGLEVEL:logLevel}`, `{"logLevel":"INFO"}`},
		{`23/Nov/2024:14:30:00 +0640`, `%{HTTPDATE:date}`, `{"date":"23/Nov/2024:14:30:00 +0640"}`},
		{`Nov 29 14:30:00`, `%{SYSLOGTIMESTAMP:dateTime}`, `{"dateTime":"Nov 29 14:30:00"}`},
		{`user.profile/settings-page`, `%{PROG:program}`, `{"program":"user.profile/settings-page"}`},
		{`user.profile/settings-page[1234]`, `%{SYSLOGPROG:programWithId}`, `{"programWithId":"user.profile/settings-page[1234]","program":"user.profile/settings-page","pid":"1234"}`},
		{`2001:db8:3333:4444:5555:6666:7777:8888`, `%{SYSLOGHOST:ip}`, `{"ip":"2001:db8:3333:4444:5555:6666:7777:8888"}`},
		{`<13.6>`, `%{SYSLOGFACILITY:syslog}`, `{"syslog":"<13.6>","facility":"13","priority":"6"}`},
	} {
		config, _ := json.Marshal([]any{map[string]any{"grok": map[string]any{"match": c[1]}}})
		if got, err := apply(c[0], string(config)); err != nil || !same(got, c[2]) {
			t.Errorf("%s of %s: got %s (%v), want %s", c[1], c[0], got, err, c[2])
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	grok := func(match string) string {
		config, _ := json.Marshal([]any{map[string]any{"grok": map[string]any{"match": match}}})
		return string(config)
	}
	for _, c := range [][2]string{
		{`{}`, "not a list"},
		{`[]`, "from 1 to 20"},
		{`[` + strings.Repeat(`{"parseJSON":{}},`, 20) + `{"parseJSON":{}}]`, "from 1 to 20"},
		{`[` + strings.Repeat(`{"parseJSON":{}},`, 5) + `{"parseJSON":{}}]`, "at most 5 parsers"},
		{`[{}]`, "exactly one"},
		{`[{"parseJSON":{},"csv":{}}]`, "exactly one"},
		{`[{"parseJSON":null}]`, "no configuration"},
		{`[{"parseXML":{}}]`, "not understood"},
		{`[{"parseJSON":{"sources":"a"}}]`, "not understood"},
		{`[{"deleteKeys":{"withKeys":["a"]}}]`, "must be a parser"},
		{`[{"parseJSON":{"source":"a"}}]`, "must be @message"},
		{`[{"parseJSON":{"destination":"a.b.c.d"}}]`, "nested more than 3"},
		{`[{"parseJSON":{}},{"parseVPC":{}}]`, "must be the first"},
		{`[{"parseVPC":{"source":"a"}}]`, "only be @message"},
		{`[{"parseToOCSF":{"eventSource":"CloudTrail","ocsfVersion":"V1.1"}}]`, "not served"},
		{`[{"parseJSON":{}},{"grok":{"match":"%{DATA}"}},{"grok":{"match":"%{DATA}"}}]`, "only one grok"},
		{`[{"parseJSON":{}},{"addKeys":{"entries":[]}}]`, "from 1 to 5"},
		{`[{"parseJSON":{}},{"deleteKeys":{"withKeys":["a..b"]}}]`, "not the path"},
		{`[{"parseJSON":{}},{"typeConverter":{"entries":[{"key":"a","type":"date"}]}}]`, "type must be"},
		{`[{"parseJSON":{}},{"listToMap":{"source":"a","key":"b","flatten":true}}]`, "flattenedElement"},
		{`[{"parseJSON":{}},{"substituteString":{"entries":[{"source":"a","from":"(","to":"b"}]}}]`, "not understood"},
		{`[{"parseJSON":{}},{"substituteString":{"entries":[{"source":"a","from":"x","to":"$1"}]}}]`, "a group that from does not have"},
		{`[{"parseJSON":{}},{"substituteString":{"entries":[{"source":"a","from":"(x)","to":"$1$1$1"}]}}]`, "references"},
		{`[{"parseJSON":{}},{"dateTimeConverter":{"source":"a","target":"b","matchPatterns":["yyyy"],"locale":"xx"}}]`, "locale"},
		{`[{"parseJSON":{}},{"dateTimeConverter":{"source":"a","target":"b","matchPatterns":["qq"]}}]`, "letter q"},
		{`[{"parseJSON":{}},{"dateTimeConverter":{"source":"a","target":"b","matchPatterns":["yyyy"],"targetTimezone":"Mars/Base"}}]`, "time zone"},
		{`[{"csv":{"delimiter":"ab"}}]`, "one character"},
		{`[{"csv":{"delimiter":"\""}}]`, "differ"},
		{grok(`%{NOSUCH:a}`), "no grok pattern"},
		{grok(`%{HEX16:a}`), "no grok pattern"},
		{grok(`%{DATA`), "not closed"},
		{grok(`%{NUMBER:a:int}`), "do not convert"},
		{grok(strings.Repeat(`%{INT} `, 21)), "at most 20"},
		{grok(strings.Repeat(`%{DATA} `, 6)), "at most 5"},
		{grok(`%{DATA} %{DATA} %{SPACE} %{GREEDYDATA} %{URI} %{URIPARAM}`), "at most 5"},
		{grok(`%{APACHE_ACCESS_LOG} %{SYSLOG5424}`), "must be the first"},
		{grok(`%{NGINX_ACCESS_LOG} %{NUMBER:num}`), "followed only by"},
		{grok(`%{GREEDYDATA:logMsg} %{SYSLOG5424}`), "must be the first"},
	} {
		if _, err := logtransform.Parse([]byte(c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want something with %q", c[0], err, c[1])
		}
	}
	for _, match := range []string{`%{NGINX_ACCESS_LOG} %{DATA}`, `%{SYSLOG5424}%{DATA:logMsg}`, `%{APACHE_ACCESS_LOG} %{GREEDYDATA:logMsg}`} {
		if _, err := logtransform.Parse([]byte(grok(match))); err != nil {
			t.Errorf("%s: %v", match, err)
		}
	}
}
