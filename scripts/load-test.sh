#!/bin/sh
# Puts a daemon under the load of 64 clients, some of which break off what they do, and checks what they were told, and what memory and handles that leaves.
# Usage: scripts/load-test.sh [SECONDS]
# TVIX_STORE_BIN is the tool; the default is the release build.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
dotnet build "$root/tests/Tvix.LoadTest" --configuration Release --verbosity quiet
TVIX_STORE_BIN=${TVIX_STORE_BIN:-$root/artifacts/bin/Tvix.Store.Cli/release/tvix-store} "$root/artifacts/bin/Tvix.LoadTest/release/Tvix.LoadTest" "${1:-60}"
