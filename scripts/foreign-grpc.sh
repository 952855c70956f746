#!/usr/bin/env bash
# Uses tvix-store daemon with foreign implementations of gRPC: Python's grpcio and @grpc/grpc-js, with stubs made by their own tools, over TCP and a Unix socket.
# Ends with a line "N ok, N failed".
#
#   scripts/foreign-grpc.sh
#
# TVIX_STORE_BIN is the tool. Needs /usr/bin/python3 with grpcio and protobuf, protoc with grpc_python_plugin, node, and npm for two packages.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=${TVIX_STORE_BIN:?the path of the tool}
protos=$PWD/Tvix.Store.Grpc/Protos
scratch=$(mktemp -d)
daemon=
finish() { [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null; wait "$daemon" 2>/dev/null; }; rm -rf "$scratch"; }
trap finish EXIT

# The two standard services go into packages whose names do not hide grpcio itself.
mkdir -p "$scratch/stubs" "$scratch/protos"
cp -r "$protos/tvix" "$protos/snix" "$scratch/protos/"
for standard in health/v1/health reflection/v1/reflection reflection/v1alpha/reflection; do
  mkdir -p "$scratch/protos/grpc_$(dirname "$standard")"
  cp "$protos/grpc/$standard.proto" "$scratch/protos/grpc_$standard.proto"
done
(cd "$scratch/protos" && protoc -I. --python_out="$scratch/stubs" --grpc_python_out="$scratch/stubs" \
  --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" $(find . -name '*.proto')) || exit 1
cp scripts/foreign/package.json "$scratch/" && (cd "$scratch" && npm install --no-audit --no-fund --loglevel=error > npm.log 2>&1) || { cat "$scratch/npm.log"; exit 1; }

"$tool" --store "local:$scratch/store" daemon --listen 127.0.0.1:0 --listen "$scratch/socket" 2> "$scratch/daemon.log" &
daemon=$!
port=
for _ in $(seq 300); do
  port=$(grep -oE '127\.0\.0\.1:[0-9]+' "$scratch/daemon.log" | head -1)
  [ -n "$port" ] && [ -S "$scratch/socket" ] && break
  kill -0 "$daemon" 2>/dev/null || { cat "$scratch/daemon.log"; exit 1; }
  sleep 0.1
done

{
  /usr/bin/python3 scripts/foreign/session.py "$scratch/stubs" "$port" "unix:$scratch/socket"
  [ $? = 0 ] || echo "FAILED grpcio: the session did not end well"
  FOREIGN_MODULES=$scratch node scripts/foreign/session.mjs "$protos" "$port" "unix:$scratch/socket"
  [ $? = 0 ] || echo "FAILED grpc-js: the session did not end well"
  "$tool" --store "local:$scratch/store" verify && echo "ok    the store is sound after all this" || echo "FAILED the store is not sound"
} 2>&1 | tee "$scratch/log"
ok=$(grep -c '^ok ' "$scratch/log"); failed=$(grep -c '^FAILED' "$scratch/log")
[ "$failed" = 0 ] || cat "$scratch/daemon.log"
echo "$ok ok, $failed failed"
[ "$failed" = 0 ] && [ "$ok" -gt 150 ]
