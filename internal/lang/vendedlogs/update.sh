#!/bin/sh
# Makes templates.txt again: which logs AWS's services deliver of which resources, with which fields, in which formats, as the
# pinned release of the npm package @aws-cdk/aws-service-spec (Apache-2.0) has it. To move to a newer one, change the two lines
# below and run this.
set -eu
version=0.1.216
sha256=2305b840c961bf7ab982a3e67a44cd2fe1f8fad78d8f2598c0fd36fbf17c9af8

cd "$(dirname "$0")"
out=$PWD/templates.txt
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm pack --silent "@aws-cdk/aws-service-spec@$version" >/dev/null
echo "$sha256  aws-cdk-aws-service-spec-$version.tgz" | sha256sum --check --quiet
tar xzf "aws-cdk-aws-service-spec-$version.tgz" package/db.json.gz
python3 - package/db.json.gz "$out" <<'PYTHON'
import gzip, json, re, sys

# Services and kinds of resources as ARNs have them, where the package has no template of the ARN.
ARNS = {
    'AWS::ElasticLoadBalancingV2::LoadBalancer': 'elasticloadbalancing loadbalancer',
    'AWS::SecurityHub::Hub': 'securityhub hub',
    'AWS::Bedrock::AgentAlias': 'bedrock agent-alias',
    'AWS::BedrockAgentCore::PaymentCredentialProvider': 'bedrock-agentcore payment-credential-provider',
    'AWS::BedrockAgentCore::WorkloadIdentity': 'bedrock-agentcore workload-identity-directory',
    'AWS::EKS::Capability': 'eks capability',
    'AWS::RTBFabric::Link': 'rtbfabric link',
    'AWS::S3::Bucket': 's3 bucket',
}
with gzip.open(sys.argv[1]) as f:
    entities = json.load(f)['schema']['resource']['entities']
lines = []
for e in entities.values() if isinstance(entities, dict) else entities:
    if not isinstance(e, dict) or 'vendedLogs' not in e:
        continue
    name = ARNS.get(e['cloudFormationType'])
    if not name:
        _, _, service, _, _, resource = e['arnTemplate'].split(':', 5)
        name = service + ' ' + re.split('[:/]', resource)[0]
    for log in e['vendedLogs']:
        if log['permissionsVersion'] != 'V2':
            continue
        to = ' '.join(d['destinationType'] + '=' + ','.join(d.get('outputFormats') or []) for d in log['destinations'])
        fields = ''.join(' !' + x for x in log.get('mandatoryFields') or []) + ''.join(' ' + x for x in log.get('optionalFields') or [])
        lines.append(f"{name} {log['logType']} {to} :{fields}")
with open(sys.argv[2], 'w') as f:
    f.write('\n'.join(sorted(set(lines))) + '\n')
PYTHON
