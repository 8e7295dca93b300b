#!/bin/sh
# Generate Python from the proto files, beside them. `ops/setup/protos.sh --check` says whether what is committed is fresh.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
out=proto
if [ "${1:-}" = --check ]; then out=$(mktemp -d); trap 'rm -rf "$out"' EXIT; fi
PATH=$(dirname "$python"):$PATH
"$python" -m grpc_tools.protoc -I proto --python_out="$out" --grpc_python_out="$out" \
  --mypy_out=quiet:"$out" --mypy_grpc_out=quiet:"$out" $(find proto -name '*.proto' | sort)
[ "$out" = proto ] && exit 0
status=0
for file in $(cd "$out" && find . -name '*_pb2*'); do
  cmp -s "$out/$file" "proto/$file" || { echo "proto/$file is not what its .proto says: run 'make protos'"; status=1; }
done
exit $status
