#!/usr/bin/env bash
# grpc.sh: blobs over one gRPC connection, ours beside @grpc/grpc-js and Python's grpcio, in turns, and prints a table in Markdown.
#   TVIX_STORE_BIN  the tool (default: tvix-store on PATH)
#   ROUNDS          how often each pair is run (3)
#   LARGE           the longer of the two large blobs, in bytes (1 GiB)
#   WORK            where stores go (a folder in /dev/shm)
# A "bare" server has no store: it counts and forgets what is put, and sends one piece over and over. Those of all three implementations do the same, so that they can be compared; what the
# daemon does on top of that is hashing, finding chunks, and storing. Figures are medians; compare the ratios, and the processor time, where other work runs on the machine.
# Needs /usr/bin/python3 with grpcio and protobuf, protoc with grpc_python_plugin, node, and npm for two packages.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=$(command -v "${TVIX_STORE_BIN:-tvix-store}") rounds=${ROUNDS:-3} large=${LARGE:-$((1 << 30))} small=$((64 << 20))
protos=$PWD/Tvix.Store.Grpc/Protos
work=$(mktemp -d -p "${WORK:-/dev/shm}" tvix-grpc.XXXXXX)
declare -A port pid
finish() { for name in "${!pid[@]}"; do kill "${pid[$name]}" 2>/dev/null || true; done; wait; rm -rf "$work"; }
trap finish EXIT

mkdir "$work/stubs" "$work/results"
(cd "$protos" && protoc -I. --python_out="$work/stubs" --grpc_python_out="$work/stubs" --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" tvix/castore/protos/rpc_blobstore.proto)
cp scripts/foreign/package.json "$work/" && (cd "$work" && npm install --no-audit --no-fund --loglevel=error) > "$work/npm.log" 2>&1 || { cat "$work/npm.log"; exit 1; }
export FOREIGN_MODULES=$work
dotnet build benchmarks/Tvix.Benchmarks -c Release > "$work/build.log" || { cat "$work/build.log"; exit 1; }
ours=$PWD/artifacts/bin/Tvix.Benchmarks/release/Tvix.Benchmarks
export DOTNET_TieredPGO=0 # compiled sooner: clients live for some seconds only

start() { # NAME COMMAND…: a server, which tells its port
  local name=$1 log=$work/$1.log; shift
  "$@" > "$log" 2>&1 &
  pid[$name]=$!
  for _ in $(seq 300); do
    port[$name]=$(grep -oE '(listening |127\.0\.0\.1:)[0-9]+' "$log" | grep -oE '[0-9]+$' | head -1) || true
    [ -n "${port[$name]}" ] && return
    sleep 0.1
  done
  cat "$log"; exit 1
}
piece=$((256 << 10))
start bare "$ours" grpc-serve $piece
start js node benchmarks/grpc/server.mjs "$protos" $piece
start python /usr/bin/python3 benchmarks/grpc/server.py "$work/stubs" $piece

restart_daemons() { # stores are new in each round: memory is bounded, and nothing is known already
  for name in memory local; do
    [ -z "${pid[$name]:-}" ] || { kill "${pid[$name]}"; wait "${pid[$name]}" || true; rm -rf "$work/store" "$work/$name.log" "$work/$name.port"; }
  done
  for pair in memory=memory: "local=local:$work/store?compression=none"; do
    name=${pair%%=*}
    "$tool" --store "${pair#*=}" daemon --listen 127.0.0.1:0 --log-level warn --port-file "$work/$name.port" > "$work/$name.log" 2>&1 &
    pid[$name]=$!
    for _ in $(seq 300); do [ -f "$work/$name.port" ] && break; sleep 0.1; done
    port[$name]=$(cat "$work/$name.port")
  done
}

run() { # CLIENT SERVER WORK…
  local client=$1 server=$2 address=127.0.0.1:${port[$2]}; shift 2
  export SERVER_PID=${pid[$server]}
  case $client in
    ours) "$ours" grpc-load "$address" $piece "$@" ;;
    js) node benchmarks/grpc/client.mjs "$protos" "$address" $piece "$@" ;;
    python) /usr/bin/python3 benchmarks/grpc/client.py "$work/stubs" "$address" $piece "$@" ;;
  esac >> "$work/results/$client-$server"
}

blobs=(put:$small read:$small put:$small read:$small put:$large read:$large)
calls=(sput:1 sread:1 sput:8 sread:8 sput:64 sread:64)
for ((round = 0; round < rounds; round++)); do
  restart_daemons
  for pair in 'ours bare' 'js js' 'python python' 'ours memory' 'ours local'; do run $pair "${blobs[@]}" "${calls[@]}"; done
  for pair in 'js bare' 'python bare' 'ours js' 'ours python'; do run $pair put:$small read:$small "${calls[@]}"; done
done

python3 benchmarks/grpc/table.py "$work/results" $small "$large"
