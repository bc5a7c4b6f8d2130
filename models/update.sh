#!/bin/sh
# Makes the models again from the pinned release of botocore. To move to a newer one, change both lines below, run it, run
# make generate, and look at the difference.
set -eu
version=1.44.5
sha256=8f16a56d1dff125dd65322ae021efa7ba5195a6db5102b96862566055b748921

cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" "botocore==$version"
wheel=$dir/botocore-$version-py3-none-any.whl
echo "$sha256  $wheel" | sha256sum --check --quiet
go run ./cmd/apigen strip -wheel "$wheel"
