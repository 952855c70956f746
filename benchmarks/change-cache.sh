#!/usr/bin/env bash
# Imports trees that have not changed, with and without a change cache, in turns with a walk (find), restic and borg with their own caches of file states.
#   TVIX_STORE_BIN=out/tvix-store benchmarks/change-cache.sh TREE…
# Stores are in memory (/dev/shm) and removed at the end. Prints a Markdown table: medians of five rounds, wall and processor seconds, and peak memory in MB.
set -euo pipefail

tool=$(realpath "${TVIX_STORE_BIN:?the tool to measure}")
work=$(mktemp -d /dev/shm/change-cache.XXXXXX)
trap 'rm -rf "$work"' EXIT
export RESTIC_PASSWORD=x BORG_CACHE_DIR=$work/borg-cache BORG_CONFIG_DIR=$work/borg-config
export HOME=$work/home XDG_CACHE_HOME=$work/xdg BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
rounds=5

# measure NAME COMMAND… : one run, noted under the name
measure() {
    local name=$1
    shift
    /usr/bin/time -o "$work/time" -f "%e %U %S %M" "$@" > /dev/null
    awk '{ print $1, $2 + $3, $4 / 1024 }' "$work/time" >> "$work/$name.runs"
}

median() { awk -v column="$2" '{ print $column }' "$work/$1.runs" | sort -n | awk '{ line[NR] = $1 } END { print line[int((NR + 1) / 2)] }'; }

row() {
    [ -e "$work/$1.runs" ] || return 0
    printf '| %s | %s | %s | %s | %.0f |\n' "$tree" "$2" "$(median "$1" 1)" "$(median "$1" 2)" "$(median "$1" 3)"
}

echo "| tree | what | s | CPU s | peak MB |"
echo "|---|---|---|---|---|"
for path in "$@"; do
    tree=$(basename "$path")
    rm -rf "$work"/*
    store="local:$work/store?compression=none"
    cached=("$tool" --store "$store" import --change-cache-file "$work/changes.db" "$path")
    find "$path" -type f -exec cat {} + > /dev/null
    measure first-cached "${cached[@]}"
    rm -rf "$work/store"
    measure first "$tool" --store "$store" import "$path"
    "${cached[@]}" > /dev/null
    [ "$("${cached[@]}")" = "$("$tool" --store "$store" import "$path")" ] || { echo "The two imports differ." >&2; exit 1; }
    restic=(restic --quiet --repo "$work/restic" --compression off backup "$path")
    borg=(borg create --compression none --files-cache "ctime,size,inode" "$work/borg::{now:%s%f}" "$path")
    if command -v restic > /dev/null; then
        restic --quiet --repo "$work/restic" init --repository-version 2
        "${restic[@]}" > /dev/null
    fi

    if command -v borg > /dev/null; then
        borg init --encryption none "$work/borg"
        "${borg[@]}"
        "${borg[@]}"
    fi

    for _ in $(seq $rounds); do
        measure walk find "$path" -printf '%p %i %s %T@ %C@\n'
        measure cached "${cached[@]}"
        measure plain "$tool" --store "$store" import "$path"
        if command -v restic > /dev/null; then measure restic "${restic[@]}"; fi
        if command -v borg > /dev/null; then measure borg "${borg[@]}"; fi
    done

    row walk "\`find -printf\`"
    row cached "import again, change cache"
    row plain "import again"
    row restic "restic, nothing changed"
    row borg "borg, nothing changed"
    row first-cached "first import, filling the change cache (one run)"
    row first "first import (one run)"
done
