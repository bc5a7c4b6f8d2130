"""CloudWatch Logs with boto3: its paginators, tokens both ways, Insights, Live Tail, and what `aws logs tail --follow` asks."""
import itertools, time
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

logs = boto3.client("logs", config=Config(inject_host_prefix=False))
now = lambda: int(time.time() * 1000)


def put(messages, stream="one", group="/e2e"):
    at = now()
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[{"timestamp": at, "message": m} for m in messages])


def pages(operation, key, size="limit", **kw):
    """All that a paginator gives, asked for in pages of two; they must be several."""
    found = list(logs.get_paginator(operation).paginate(PaginationConfig={"PageSize": 2}, **kw))
    assert len(found) > 1, (operation, found)
    return list(itertools.chain.from_iterable(p[key] for p in found))


for i in range(5):
    logs.create_log_group(logGroupName=f"/pages/{i}")
logs.create_log_group(logGroupName="/e2e")
for name in ("one", "two", "three"):
    logs.create_log_stream(logGroupName="/e2e", logStreamName=name)
assert [g["logGroupName"] for g in pages("describe_log_groups", "logGroups", logGroupNamePrefix="/pages/")] == [f"/pages/{i}" for i in range(5)]
assert len(pages("describe_log_streams", "logStreams", logGroupName="/e2e")) == 3

for i in range(5):
    put([f"event {i}"])
    logs.put_metric_filter(logGroupName="/e2e", filterName=f"f{i}", filterPattern="event", metricTransformations=[{"metricName": "n", "metricNamespace": "e2e", "metricValue": "1"}])
assert [e["message"] for e in pages("filter_log_events", "events", logGroupName="/e2e")] == [f"event {i}" for i in range(5)]
assert len(pages("describe_metric_filters", "metricFilters", logGroupName="/e2e")) == 5

# Tokens: forward to the end, where the same comes again, and back.
page = logs.get_log_events(logGroupName="/e2e", logStreamName="one", startFromHead=True, limit=3)
rest = logs.get_log_events(logGroupName="/e2e", logStreamName="one", startFromHead=True, limit=3, nextToken=page["nextForwardToken"])
end = logs.get_log_events(logGroupName="/e2e", logStreamName="one", startFromHead=True, limit=3, nextToken=rest["nextForwardToken"])
assert [len(p["events"]) for p in (page, rest, end)] == [3, 2, 0] and end["nextForwardToken"] == rest["nextForwardToken"]
back = logs.get_log_events(logGroupName="/e2e", logStreamName="one", limit=3, nextToken=rest["nextBackwardToken"])
assert back["events"] == page["events"], back

# What is wrong.
try:
    put(["x"], group="/none")
    raise AssertionError("there is no such group")
except logs.exceptions.ResourceNotFoundException as e:
    assert "log group does not exist" in str(e)
rejected = logs.put_log_events(logGroupName="/e2e", logStreamName="two", logEvents=[{"timestamp": now() - 20 * 86400 * 1000, "message": "old"}])
assert rejected["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}, rejected

# Insights, and the log of queries that is delivered.
logs.create_log_group(logGroupName="/queries")
region = logs.meta.region_name
account = logs.describe_log_groups(logGroupNamePrefix="/queries")["logGroups"][0]["logGroupArn"].split(":")[4]
logs.put_delivery_source(name="queries", resourceArn=f"arn:aws:logs:{region}:{account}:log-group:*", logType="INSIGHTS_QUERY_LOGS")
to = logs.put_delivery_destination(name="queries", outputFormat="json", deliveryDestinationConfiguration={"destinationResourceArn": f"arn:aws:logs:{region}:{account}:log-group:/queries"})
logs.create_delivery(deliverySourceName="queries", deliveryDestinationArn=to["deliveryDestination"]["arn"])
query = logs.start_query(logGroupName="/e2e", startTime=int(time.time()) - 60, endTime=int(time.time()) + 60, queryString="filter @message like /event/ | stats count(*) as n")["queryId"]
for _ in range(100):
    answer = logs.get_query_results(queryId=query)
    if answer["status"] == "Complete":
        break
    time.sleep(0.1)
assert answer["results"] == [[{"field": "n", "value": "5"}]], answer
for _ in range(100):
    told = logs.filter_log_events(logGroupName="/queries", filterPattern=f'{{ $.query_id = "{query}" }}')["events"]
    if told:
        break
    time.sleep(0.1)
assert len(told) == 1, told
assert len(pages("describe_configuration_templates", "configurationTemplates", service="events")) == 9

# Live Tail: an event stream of what is written, and of how it is going.
live = logs.start_live_tail(logGroupIdentifiers=[f"arn:aws:logs:{region}:{account}:log-group:/e2e"], logEventFilterPattern="shown")["responseStream"]
for event in live:
    if "sessionStart" in event:
        assert event["sessionStart"]["logEventFilterPattern"] == "shown"
        put(["hidden", "shown at once"])
    elif event["sessionUpdate"]["sessionResults"]:
        assert [r["message"] for r in event["sessionUpdate"]["sessionResults"]] == ["shown at once"], event
        break
live.close()


def follow(group, start):
    """The requests of `aws logs tail --follow`: pages from a time on, then again from the last event's time, without those seen."""
    seen, token, latest = set(), None, start
    while True:
        kw = {"nextToken": token} if token else {}
        page = logs.filter_log_events(logGroupName=group, startTime=latest, interleaved=True, **kw)
        for e in page["events"]:
            if e["eventId"] not in seen:
                seen.add(e["eventId"])
                latest = max(latest, e["timestamp"])
                yield e["message"]
        token = page.get("nextToken")
        if not token:
            yield None


tail = follow("/e2e", now() - 60_000)
first = list(itertools.takewhile(lambda m: m is not None, tail))
assert first[:2] == ["event 0", "event 1"] and first[-1] == "shown at once", first
put(["followed"])
assert list(itertools.takewhile(lambda m: m is not None, tail)) == ["followed"]

for g in logs.describe_log_groups()["logGroups"]:
    logs.delete_log_group(logGroupName=g["logGroupName"])
assert logs.describe_log_groups()["logGroups"] == []
print("ok: boto3 with logs")
