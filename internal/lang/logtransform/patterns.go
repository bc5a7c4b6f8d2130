package logtransform

// pattern is one of grok's patterns. Where it is made of others they stand in it as {NAME}; what it captures beside the whole has a
// group with the name of its field.
type pattern struct {
	name  string
	regex string
	limit int // how often it may be used in one match
}

// Kinds of uses that are counted together: of these, any five.
const greedyLimit = 5

func greedy(name string) bool {
	switch name {
	case "URI", "URIPARAM", "URIPATHPARAM", "SPACE", "DATA", "GREEDYDATA", "GREEDYDATA_MULTILINE":
		return true
	}
	return false
}

// patterns are all that grok has. Regular expressions here look neither ahead nor behind, so words end where \b says.
func patterns() []pattern {
	return []pattern{
		{"USERNAME", `[a-zA-Z0-9._-]+`, 20},
		{"USER", `{USERNAME}`, 20},
		{"INT", `[+-]?[0-9]+`, 20},
		{"BASE10NUM", `[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)`, 20},
		{"NUMBER", `{BASE10NUM}`, 20},
		{"BASE16NUM", `[+-]?(?:0x)?[0-9A-Fa-f]+`, 20},
		{"POSINT", `\b[1-9][0-9]*\b`, 20},
		{"NONNEGINT", `\b[0-9]+\b`, 20},
		{"WORD", `\b\w+\b`, 20},
		{"NOTSPACE", `\S+`, 5},
		{"SPACE", `\s*`, 5},
		{"DATA", `.*?`, 5},
		{"GREEDYDATA", `.*`, 5},
		{"GREEDYDATA_MULTILINE", `(?s:.*)`, 1},
		{"QUOTEDSTRING", `"(?:\\.|[^\\"])*"|'(?:\\.|[^\\'])*'`, 20},
		{"UUID", `[A-Fa-f0-9]{8}-(?:[A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}`, 20},
		{"URN", `urn:[0-9A-Za-z][0-9A-Za-z-]{0,31}:(?:%[0-9a-fA-F]{2}|[0-9A-Za-z()+,.:=@;$_!*'/?#-])+`, 20},

		{"ARN", `arn:(?:aws|aws-cn|aws-us-gov):[a-zA-Z0-9-]+:[a-z0-9-]+:[0-9]{12}:[a-zA-Z0-9_.:*+=,@-]+(?:/[a-zA-Z0-9_.:*+=,@-]+){0,4}`, 5},

		{"CISCOMAC", `(?:[A-Fa-f0-9]{4}\.){2}[A-Fa-f0-9]{4}`, 20},
		{"WINDOWSMAC", `(?:[A-Fa-f0-9]{2}-){5}[A-Fa-f0-9]{2}`, 20},
		{"COMMONMAC", `(?:[A-Fa-f0-9]{2}:){5}[A-Fa-f0-9]{2}`, 20},
		{"MAC", `{CISCOMAC}|{WINDOWSMAC}|{COMMONMAC}`, 20},
		{"HEX16", `[0-9A-Fa-f]{1,4}`, 0},
		{"IPV6", `(?:(?:{HEX16}:){7}{HEX16}|(?:{HEX16}:){6}{IPV4}|(?:{HEX16}:){1,6}:{HEX16}|(?:{HEX16}:){1,5}(?::{HEX16}){2}|(?:{HEX16}:){1,4}(?::{HEX16}){3}|` +
			`(?:{HEX16}:){1,3}(?::{HEX16}){4}|(?:{HEX16}:){1,2}(?::{HEX16}){5}|{HEX16}:(?::{HEX16}){6}|(?:{HEX16}:){1,4}(?::{HEX16})?:{IPV4}|` +
			`::(?:{HEX16}:){0,5}{IPV4}|::(?:{HEX16}:){0,6}{HEX16}|(?:{HEX16}:){1,7}:|::)(?:%[0-9A-Za-z]+)?`, 5},
		{"IPV4", `\b(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[0-9]{1,2})\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[0-9]{1,2})\b`, 20},
		{"IP", `{IPV6}|{IPV4}`, 5},
		{"HOSTNAME", `\b[0-9A-Za-z][0-9A-Za-z-]*(?:\.[0-9A-Za-z][0-9A-Za-z-]*)*\.?`, 5},
		{"HOST", `{HOSTNAME}`, 5},
		{"IPORHOST", `{IP}|{HOSTNAME}`, 5},
		{"HOSTPORT", `{IPORHOST}:(?P<PORT>{POSINT})`, 5},
		{"URIHOST", `{IPORHOST}(?::(?P<port>{POSINT}))?`, 5},

		{"UNIXPATH", `(?:/[\w_%!$@:.,+~?=&-]*)+`, 20},
		{"WINPATH", `(?:[A-Za-z]+:|\\)(?:\\[^\\?*\n]*)+`, 5},
		{"PATH", `{UNIXPATH}|{WINPATH}`, 5},
		{"TTY", `/dev/(?:pts|tty[pq]?)\w*/?[0-9]+|/dev/tty`, 20},
		{"URIPROTO", `[A-Za-z]+(?:\+[A-Za-z+]+)?`, 20},
		{"URIPATH", `(?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_\-]*)+`, 20},
		{"URIPARAM", `\?[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\-\[\]<>]*`, 5},
		{"URIPATHPARAM", `{URIPATH}(?:{URIPARAM})?`, 5},
		{"URI", `{URIPROTO}://(?:{USER}(?::[^@\s]*)?@)?(?:{IPORHOST}(?::{POSINT})?)?(?:{URIPATHPARAM})?`, 5},

		{"MONTH", `\b(?:[Jj]an(?:uary)?|[Ff]eb(?:ruary)?|[Mm]ar(?:ch)?|[Aa]pr(?:il)?|[Mm]ay|[Jj]une?|[Jj]uly?|[Aa]ug(?:ust)?|[Ss]ep(?:tember)?|` +
			`[Oo]ct(?:ober)?|[Nn]ov(?:ember)?|[Dd]ec(?:ember)?)\b`, 20},
		{"MONTHNUM", `1[0-2]|0?[1-9]`, 20},
		{"MONTHNUM2", `0[1-9]|1[0-2]`, 20},
		{"MONTHDAY", `3[01]|[12][0-9]|0?[1-9]`, 20},
		{"YEAR", `(?:[0-9]{2}){1,2}`, 20},
		{"DAY", `\b(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)\b`, 20},
		{"HOUR", `2[0-3]|[01]?[0-9]`, 20},
		{"MINUTE", `[0-5][0-9]`, 20},
		{"SECOND", `(?:60|[0-5]?[0-9])(?:[:.,][0-9]+)?`, 20},
		{"TIME", `{HOUR}:{MINUTE}:{SECOND}`, 20},
		{"DATE_US", `{MONTHNUM}[/-]{MONTHDAY}[/-]{YEAR}`, 20},
		{"DATE_EU", `{MONTHDAY}[./-]{MONTHNUM}[./-]{YEAR}`, 20},
		{"ISO8601_TIMEZONE", `Z|[+-]{HOUR}:?{MINUTE}`, 20},
		{"ISO8601_SECOND", `{SECOND}`, 20},
		{"TIMESTAMP_ISO8601", `{YEAR}-{MONTHNUM}-{MONTHDAY}[T ]{HOUR}:?{MINUTE}(?::?{SECOND})?(?:{ISO8601_TIMEZONE})?`, 20},
		{"DATE", `{DATE_US}|{DATE_EU}`, 20},
		{"DATESTAMP", `{DATE}[- ]{TIME}`, 20},
		{"TZ", `[PMCE][SD]T|UTC`, 20},
		{"DATESTAMP_RFC822", `{DAY} {MONTH} {MONTHDAY} {YEAR} {TIME} {TZ}`, 20},
		{"DATESTAMP_RFC2822", `{DAY}, {MONTHDAY} {MONTH} {YEAR} {TIME} {ISO8601_TIMEZONE}`, 20},
		{"DATESTAMP_OTHER", `{DAY} {MONTH} {MONTHDAY} {TIME} {TZ} {YEAR}`, 20},
		{"DATESTAMP_EVENTLOG", `{YEAR}{MONTHNUM2}{MONTHDAY}{HOUR}{MINUTE}{SECOND}`, 20},

		{"LOGLEVEL", `[Aa]lert|ALERT|[Tt]race|TRACE|[Dd]ebug|DEBUG|[Nn]otice|NOTICE|[Ii]nfo(?:rmation)?|INFO(?:RMATION)?|[Ww]arn(?:ing)?|WARN(?:ING)?|` +
			`[Ee]rr(?:or)?|ERR(?:OR)?|[Cc]rit(?:ical)?|CRIT(?:ICAL)?|[Ff]atal|FATAL|[Ss]evere|SEVERE|[Ee]merg(?:ency)?|EMERG(?:ENCY)?`, 20},
		{"HTTPDATE", `{MONTHDAY}/{MONTH}/{YEAR}:{TIME} {INT}`, 20},
		{"SYSLOGTIMESTAMP", `{MONTH} +{MONTHDAY} {TIME}`, 20},
		{"PROG", `[a-zA-Z0-9._/%-]+`, 20},
		{"SYSLOGPROG", `(?P<program>{PROG})(?:\[(?P<pid>{POSINT})\])?`, 20},
		{"SYSLOGHOST", `{IP}|{HOSTNAME}`, 5},
		{"SYSLOGFACILITY", `<(?P<facility>{NONNEGINT})\.(?P<priority>{NONNEGINT})>`, 20},
	}
}

// The formats of whole lines. A field whose name ends in # is a number, in @ a time as HTTP's servers write it; what is - is left out.
const (
	accessLine = `(?P<remote_host>\S+) (?P<ident>\S+) (?P<auth_user>\S+) \[(?P<timestamp@>{HTTPDATE})\] ` +
		`"(?:(?P<http_method>[A-Z]+) (?P<request>\S+)(?: HTTP/(?P<http_version>[0-9.]+))?|-)" (?P<status_code#>[0-9]{3}|-) (?P<response_size#>[0-9]+|-)` +
		`(?: "(?P<referrer>(?:\\.|[^\\"])*)" "(?P<agent>(?:\\.|[^\\"])*)")?`
	syslogLine = `<(?P<pri#>[0-9]{1,3})>(?P<version#>[1-9][0-9]{0,2}) (?P<timestamp>\S+) (?P<hostname>\S+) (?P<app>\S+) (?P<proc_id>\S+) (?P<msg_id>\S+) ` +
		`(?:-|\[(?P<structured_data>(?:\\.|"(?:\\.|[^\\"])*"|[^\]"\\])*)\])(?: ?(?P<message>(?s:.+?)))?`
)

// line is the format of a whole line by its name.
func line(name string) string {
	switch name {
	case "APACHE_ACCESS_LOG", "NGINX_ACCESS_LOG":
		return accessLine
	case "SYSLOG5424":
		return syslogLine
	}
	return ""
}
