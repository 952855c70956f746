#!/usr/bin/env bash
# Looks at the pages of a binary cache with Chromium: walks from the store to its files by clicks, also to names that hold HTML or are not UTF-8, in light and dark, wide and at 400 %.
# Ends with a line "N ok, N failed".
#
#   scripts/browser.sh [--screenshots FOLDER]
#
# TVIX_STORE_BIN is the tool, CHROMIUM the browser (/usr/bin/chromium unless set). Needs python3, node, and npm for one package.
set -uo pipefail
shots=
case ${1:-} in
  --screenshots) shots=${2:?a folder} ;;
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
  "") ;;
  *) echo "error: unknown option $1" >&2; exit 2 ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=${TVIX_STORE_BIN:-$PWD/artifacts/bin/Tvix.Store.Cli/release/tvix-store}
scratch=$(mktemp -d)
daemon=
finish() { [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null; wait "$daemon" 2>/dev/null; }; rm -rf "$scratch"; }
trap finish EXIT
cp scripts/browser/package.json "$scratch/" && (cd "$scratch" && npm install --no-audit --no-fund --loglevel=error > npm.log 2>&1) || { cat "$scratch/npm.log"; exit 1; }

export MANY=100000
python3 scripts/browser/tree.py "$scratch/strange-names-1.0" $MANY > "$scratch/manifest" || exit 1
mkdir "$scratch/paths"
for i in $(seq 130); do echo "path $i" > "$scratch/paths/path-$i"; done
first=$("$tool" --store "local:$scratch/store" import -q "$scratch"/paths/path-1) || exit 1
"$tool" --store "local:$scratch/store" import -q "$scratch"/paths/* > /dev/null && "$tool" --store "local:$scratch/store" import -q --references "$first" "$scratch/strange-names-1.0" > /dev/null || exit 1
"$tool" --store "local:$scratch/store" daemon --http 127.0.0.1:0 --port-file "$scratch/port" 2> "$scratch/daemon.log" &
daemon=$!
for _ in $(seq 300); do [ -s "$scratch/port" ] && break; kill -0 "$daemon" 2>/dev/null || break; sleep 0.1; done
[ -s "$scratch/port" ] || { cat "$scratch/daemon.log"; exit 1; }

BROWSER_MODULES=$scratch node scripts/browser/session.mjs "http://127.0.0.1:$(cat "$scratch/port")/" "$scratch/manifest" "${shots:-$scratch/shots}" 2>&1 | tee "$scratch/log"
status=${PIPESTATUS[0]}
if grep -qE ' 5[0-9][0-9] in |fail:|crit:' "$scratch/daemon.log"; then echo "FAILED  the daemon logged a failure" | tee -a "$scratch/log"; grep -E ' 5[0-9][0-9] in |fail:|crit:' "$scratch/daemon.log"; fi
ok=$(grep -c '^ok ' "$scratch/log"); failed=$(grep -c '^FAILED' "$scratch/log")
echo "$ok ok, $failed failed"
[ "$status" = 0 ] && [ "$failed" = 0 ] && [ "$ok" -gt 80 ]
