#!/usr/bin/env bash
# Kills a daemon that is a binary cache with SIGKILL in the middle of uploads, again and again with the same store, and checks after each time what is left.
# Ends with a line "N ok, N failed".
#
#   scripts/nix-cache-kill.sh [ROUNDS [SEED]]
#
# In each round several clients upload at once, uncompressed, as xz and as zstd. After each kill, whatever was acknowledged must be there, every narinfo that is served must have
# its whole NAR, with the size and hash that it says, and what was cut off can be uploaded to its end.
#
# TVIX_STORE_BIN is the tool; the default is the release build. Needs python3 and zstd.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=${TVIX_STORE_BIN:-$PWD/artifacts/bin/Tvix.Store.Cli/release/tvix-store}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 scripts/nix-cache-kill.py "$tool" "$folder" "${1:-100}" "${2:-$(date +%s | tail -c 6)}"
