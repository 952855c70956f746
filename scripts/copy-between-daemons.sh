#!/usr/bin/env bash
# Copies a graph of store paths from one daemon to another, is interrupted at random moments (SIGINT and SIGKILL of the copy, SIGKILL of the daemon that is written to), and goes on
# until it is done. After each interruption, the store that is written to must be sound: it lists no store path whose contents or references are missing. At the end both have the
# same. Ends with a line "N ok, N failed".
#
#   scripts/copy-between-daemons.sh [--rounds N] [--seed N] [TREE…]
#
#   --rounds N   how many interruptions there are at least (default 6)
#   --seed N     of the random moments (default: by the clock)
#   --thorough   at the end, compare the exports of all store paths, and not of some
#
# Each folder in a TREE, and each folder in those, becomes a store path, with a file that names store paths of before, which are found as references. Without a TREE, a small one is made.
#
# TVIX_STORE_BIN is the tool. Needs python3.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C
tool=${TVIX_STORE_BIN:?the path of the tool}
rounds=6 seed=$(date +%s) trees=() thorough=
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2; shift ;;
    --seed) seed=$2; shift ;;
    --thorough) thorough=1 ;;
    *) trees+=("$(realpath -- "$1")") ;;
  esac
  shift
done
RANDOM=$((seed % 32768))
scratch=$(mktemp -d)
. scripts/daemons.sh
finish() { finish_daemons; rm -rf "$scratch"; }
trap finish EXIT

# --- the graph
if [ ${#trees[@]} = 0 ]; then
  python3 - "$scratch/small" <<'PYTHON'
import os, random, sys
random.seed(3)
for i in range(5):
    for j in range(3):
        folder = f"{sys.argv[1]}/group-{i}/part-{j}"
        os.makedirs(folder + "/many")
        for k in range(60):
            open(f"{folder}/many/{k}", "wb").write(random.randbytes(random.randrange(6000)))
        open(folder + "/large", "wb").write(random.randbytes(random.randrange(3 << 20)) + bytes(1 << 20))
PYTHON
  trees=("$scratch/small")
fi
start_daemon A "local:$scratch/A" --log-level warn || exit 1
start_daemon B "local:$scratch/B" --log-level warn || exit 1
A=${daemon_address[A]} B=${daemon_address[B]}
paths=()
add() { # FOLDER: as a store path with two references to earlier ones, and, through a file, to a third
  local references=() name path i
  for i in 1 2; do [ ${#paths[@]} = 0 ] || references+=(--references "${paths[$((RANDOM % ${#paths[@]}))]}"); done
  name=$(basename "$1" | tr -c 'A-Za-z0-9+._?=\n-' _ | sed 's/^\.*//')
  path=$("$tool" --store "$A" import --name "$name-${#paths[@]}" "${references[@]}" "$1") || { fail "import of $1"; return; }
  paths+=("$path")
}
for tree in "${trees[@]}"; do
  while read -r -d '' folder; do add "$folder"; done < <(find "$tree" -mindepth 1 -maxdepth 2 -type d -print0 | sort -z)
done
mkdir "$scratch/scanned"
for i in 0 1 2 3 4 5 6 7; do
  # Refers, by scanning, to what was imported so far and what is nowhere else referred to: so the last one's closure is large.
  printf '%s\n' "${paths[@]: -12}" "${paths[$((RANDOM % ${#paths[@]}))]}" > "$scratch/scanned/names"
  echo "$i" > "$scratch/scanned/number"
  path=$("$tool" --store "$A" import --scan-references --name "top-$i" "$scratch/scanned") || { fail "import with a scan"; break; }
  paths+=("$path")
done
tops=("${paths[@]: -3}")
"$tool" --store "$A" list --json > "$scratch/A.json"
# What the copy has to bring: the closure of the three last ones, computed here from what the daemon tells.
python3 - "$scratch/A.json" "${tops[@]}" > "$scratch/closure" <<'PYTHON'
import json, os, sys
infos = {os.path.basename(i["path"]): i for i in json.load(open(sys.argv[1]))}
todo, seen = [os.path.basename(p) for p in sys.argv[2:]], set()
while todo:
    if (p := todo.pop()) not in seen:
        seen.add(p)
        todo += [os.path.basename(r) for r in infos[p]["references"]]
print(*("/nix/store/" + p for p in sorted(seen)), sep="\n")
PYTHON
nar_bytes=$(python3 -c 'import json, sys; c = set(open(sys.argv[2]).read().split()); print(sum(i["narSize"] for i in json.load(open(sys.argv[1])) if i["path"] in c))' "$scratch/A.json" "$scratch/closure")
echo "seed $seed: ${#paths[@]} store paths; the closure has $(wc -l < "$scratch/closure") with $((nar_bytes >> 20)) MiB as archives"
check "the graph is one: the closure has at least 20 store paths" test "$(wc -l < "$scratch/closure")" -ge 20

# --- B after an interruption
sound() { # verify of the files; and every reference of what is listed is listed, as the copy promises
  "$tool" --store "local:$scratch/B" verify || return 1
  "$tool" --store "local:$scratch/B" list --json > "$scratch/B.json" || return 1
  python3 -c '
import json, sys
infos = json.load(open(sys.argv[1]))
there = {i["path"].rsplit("/", 1)[1] for i in infos}
missing = [(i["path"], r) for i in infos for r in i["references"] if r.rsplit("/", 1)[-1] not in there]
print(*missing)
sys.exit(bool(missing))' "$scratch/B.json"
}

# --- interruptions
size_of_B() { du -sb "$scratch/B" | cut -f1; }
size_of_A=$(du -sb "$scratch/A" | cut -f1)
interrupted=0 attempts=0 finished=
declare -A kinds=([copy-INT]=0 [copy-KILL]=0 [daemon-KILL]=0)
wanted=(copy-INT copy-KILL daemon-KILL)
while [ -z "$finished" ] && [ $attempts -lt 200 ]; do
  attempts=$((attempts + 1))
  kind=${wanted[$((attempts % 3))]}
  # A shell without a terminal lets what it runs in the background ignore SIGINT; env undoes that. It is interrupted when a random part of what is still missing, that of one round, has come; so the moments depend on no clock.
  before=$(size_of_B); left=$((size_of_A - before)); rest=$((rounds - interrupted))
  until=$((before + (rest > 0 && left > 0 ? left / (rest + 1) * (1 + RANDOM % 200) / 100 : 0)))
  env --default-signal=INT "$tool" copy "$A" "$B" "${tops[@]}" > "$scratch/copy.out" 2> "$scratch/copy.err" & copy=$!
  if [ $rest -gt 0 ]; then
    while kill -0 $copy 2>/dev/null && [ "$(size_of_B)" -le "$until" ]; do :; done
    case $kind in
      copy-INT) kill -INT $copy 2>/dev/null ;;
      copy-KILL) kill -KILL $copy 2>/dev/null ;;
      daemon-KILL) end_daemon B KILL ;;
    esac
  fi
  wait $copy 2>/dev/null; status=$?
  if [ $status = 0 ]; then
    finished=yes
  else
    interrupted=$((interrupted + 1)) kinds[$kind]=$((${kinds[$kind]} + 1))
    case $kind in
      copy-INT) check "interruption $interrupted: Ctrl-C ends the copy with 130" test $status = 130 ;;
      copy-KILL) check "interruption $interrupted: the copy was killed" test $status = 137 ;;
      daemon-KILL) check "interruption $interrupted: the daemon was killed: exit code 1 and one clear line" \
        test $status = 1 -a "$(grep -c '^error: ' "$scratch/copy.err")" = 1 -a "$(wc -l < "$scratch/copy.err")" = 1 ;;
    esac
  fi
  [ -n "${daemon_pid[B]:-}" ] || start_daemon B "local:$scratch/B" --log-level warn || exit 1
  check "after $(size_of_B) bytes of $size_of_A ($kind): what is listed is whole, and so is what it refers to" sound
  echo "      $(grep -c narHash "$scratch/B.json") store paths are there"
done
check "the copy came to its end, after $interrupted interruptions (${kinds[copy-INT]} SIGINT, ${kinds[copy-KILL]} SIGKILL, ${kinds[daemon-KILL]} of the daemon)" test -n "$finished"
check "it was interrupted" test "$interrupted" -gt 0
cat "$scratch/copy.out"

# --- the end
check "the path infos of the closure are equal" eval 'cmp <(python3 -c "
import json, sys
c = set(open(sys.argv[2]).read().split())
[print(json.dumps(i, sort_keys=True)) for i in sorted(json.load(open(sys.argv[1])), key=lambda i: i[\"path\"]) if i[\"path\"] in c]" "$scratch/A.json" "$scratch/closure") \
  <("$tool" --store "$B" list --json | python3 -c "
import json, sys
[print(json.dumps(i, sort_keys=True)) for i in sorted(json.load(sys.stdin), key=lambda i: i[\"path\"])]")'
mapfile -t closure < "$scratch/closure"
[ -n "$thorough" ] || closure=("${closure[0]}" "${closure[${#closure[@]} / 2]}" "${tops[@]: -1}")
same_exports() {
  local path
  for path in "${closure[@]}"; do
    rm -rf "$scratch/fromA" "$scratch/fromB"
    "$tool" --store "$A" export "$path" "$scratch/fromA" && "$tool" --store "$B" export "$path" "$scratch/fromB" && diff -r --no-dereference "$scratch/fromA" "$scratch/fromB" || return 1
  done
}
check "exports of ${#closure[@]} store paths are the same" same_exports
check "copying again moves nothing" eval '"$tool" copy "$A" "$B" "${tops[@]}" | grep -q "^0 store paths copied"'
check "daemon A ends in order" end_daemon A
check "daemon B ends in order" end_daemon B
check "the store of A is sound" "$tool" --store "local:$scratch/A" verify
check "the store of B is sound" "$tool" --store "local:$scratch/B" verify
[ "$failed" = 0 ] || tail -n 20 "$scratch"/*.log
summary
