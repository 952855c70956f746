#!/bin/sh
# Kills writers of an embedded store with SIGKILL at random moments, and checks after each that everything acknowledged is there and the store is sound.
# Usage: scripts/crash-test.sh [ROUNDS [SEED]]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dotnet build "$root/tests/Tvix.CrashTest" --configuration Release --verbosity quiet
"$root/artifacts/bin/Tvix.CrashTest/release/Tvix.CrashTest" drive "$folder" "${1:-25}" "${2:-$(date +%s | tail -c 6)}"
