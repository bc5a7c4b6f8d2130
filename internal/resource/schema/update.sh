#!/bin/sh
# Makes types.zip again: the schemas of all public resource types of the CloudFormation registry, as the pinned release of
# cfn-lint (MIT-0) carries them, without prose, permissions and what only a linter reads. To move to a newer one, change the
# two lines below and run this. The same release gives the same bytes.
set -eu
version=1.58.0
sha256=9d9f06043160756a6158f5c3f92a44ce38254b1c578127461608305bc8262987

cd "$(dirname "$0")"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" "cfn-lint==$version"
wheel=$dir/cfn_lint-$version-py3-none-any.whl
echo "$sha256  $wheel" | sha256sum --check --quiet
python3 - "$wheel" types.zip <<'PYTHON'
import collections, json, sys, zipfile

PROSE = {'description', 'title', '$comment', 'comment', 'examples', 'documentationUrl', 'sourceUrl', '$schema', '$id',
         'permissions', 'format', 'propertyTransform', 'resourceLink', 'typeConfiguration', 'lifecycle', 'typeName', 'relationshipRef'}
NAMED = {'properties', 'definitions', 'patternProperties'}  # the keys of these are names, not keywords
VALUES = {'enum', 'const', 'default', 'required', 'dependentRequired', 'dependencies'}

def strip(x, keyword=''):
    if isinstance(x, list):
        return [strip(v) for v in x]
    if not isinstance(x, dict) or keyword in VALUES:
        return x
    if keyword in NAMED:
        return {k: strip(v) for k, v in x.items()}
    return {k: v if k in VALUES else strip(v, k) for k, v in x.items() if k not in PROSE}

services = collections.defaultdict(dict)
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in wheel.namelist():
        if '/data/schemas/resources/' in name and name.endswith('.json'):
            schema = json.loads(wheel.read(name))
            services['::'.join(schema['typeName'].split('::')[:2])][schema['typeName']] = strip(schema)

with zipfile.ZipFile(sys.argv[2], 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as out:
    for service in sorted(services):
        entry = zipfile.ZipInfo(service + '.json', (1980, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        out.writestr(entry, json.dumps(services[service], separators=(',', ':'), sort_keys=True))
PYTHON
