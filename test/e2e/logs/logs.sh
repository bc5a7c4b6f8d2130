#!/usr/bin/env bash
# CloudWatch Logs with the AWS CLI: events written, read, searched and asked about, and followed while they come.
set -euo pipefail
export AWS_DISABLE_HOST_PREFIX_INJECTION=true # streaming-127.0.0.1 is no host
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" --output text "$@"; }
say() { echo "not so: $1" >&2; exit 1; }
until_in() { for _ in $(seq 100); do grep -q "$1" "$2" && return; sleep 0.1; done; say "$1 is in $2: $(cat "$2")"; }
now() { date +%s%3N; }
put() { aws logs put-log-events --log-group-name /e2e --log-stream-name one --log-events "timestamp=$(now),message=$1" >/dev/null; }

aws logs create-log-group --log-group-name /e2e --tags team=e2e
aws logs create-log-stream --log-group-name /e2e --log-stream-name one
aws logs put-retention-policy --log-group-name /e2e --retention-in-days 7
[ "$(aws logs describe-log-groups --log-group-name-prefix /e2e --query 'logGroups[].retentionInDays')" = 7 ] || say "it is kept for seven days"
arn=$(aws logs describe-log-groups --log-group-name-prefix /e2e --query 'logGroups[0].logGroupArn')
[ "$(aws logs list-tags-for-resource --resource-arn "$arn" --query tags.team)" = e2e ] || say "it has its tag"
put "GET /orders 200"
put "GET /orders 500"
[ "$(aws logs filter-log-events --log-group-name /e2e --filter-pattern '[method, path, status >= 500]' --query 'events[].message')" = "GET /orders 500" ] || say "the filter finds one"
[ "$(aws logs get-log-events --log-group-name /e2e --log-stream-name one --start-from-head --limit 1 --query 'events[].message')" = "GET /orders 200" ] || say "the first is first"
id=$(aws logs start-query --log-group-name /e2e --start-time $(($(now) / 1000 - 60)) --end-time $(($(now) / 1000 + 60)) --query-string 'parse @message "* * *" as m, p, s | stats count(*) as n by s | sort s' --query queryId)
for _ in $(seq 50); do
  status=$(aws logs get-query-results --query-id "$id" --query status)
  [ "$status" = Complete ] && break
  sleep 0.1
done
[ "$(aws logs get-query-results --query-id "$id" --query 'results[*].[[0].value,[1].value]' | tr '\t\n' ' ;')" = "200 1;500 1;" ] || say "the query counts"
aws logs put-metric-filter --log-group-name /e2e --filter-name errors --filter-pattern '"500"' --metric-transformations metricName=errors,metricNamespace=e2e,metricValue=1
[ "$(aws logs describe-metric-filters --log-group-name /e2e --query 'metricFilters[].filterName')" = errors ] || say "the metric filter is there"
if aws logs create-log-group --log-group-name /e2e 2>"$work/error"; then say "there can be one"; fi
grep -q ResourceAlreadyExistsException "$work/error" || say "why there can be one: $(cat "$work/error")"

mode=()
if command aws --version | grep -q '^aws-cli/2'; then mode=(--mode print-only); fi
PYTHONUNBUFFERED=1 command aws --endpoint-url "$AWS_ENDPOINT_URL" logs start-live-tail --log-group-identifiers "$arn" "${mode[@]}" >"$work/live" 2>&1 &
for i in $(seq 30); do # it is not said when the session has begun
  put "live $i"
  grep -q "live " "$work/live" && break
  sleep 0.3
done
until_in "live " "$work/live"
if [ ${#mode[@]} -gt 0 ]; then # version 2 has a command for it
  command aws --endpoint-url "$AWS_ENDPOINT_URL" logs tail /e2e --follow --since 1m --format short >"$work/tail" 2>&1 &
  until_in "GET /orders 500" "$work/tail"
  put "followed"
  until_in "followed" "$work/tail"
fi
aws logs delete-log-group --log-group-name /e2e
echo "ok: AWS CLI with logs"
