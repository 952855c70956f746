#!/usr/bin/env bash
# compare.sh TREE…: times tvix-store beside Nix (and b3sum) on each tree, in turns, and prints a table in Markdown.
#   TVIX_STORE_BIN  the tool; a native build, for what users run (default: tvix-store on PATH)
#   RUNS            pairs per row (5)
#   WORK            where stores and outputs go (a folder in /dev/shm): in memory, so that the disk is not what is measured
# Before each run memory is touched and the input read, so that neither fresh pages nor a cold cache are measured. Figures are medians; compare the ratios.
# Needs nix-bin, b3sum, GNU time.
set -euo pipefail
export LC_ALL=C
tvix=${TVIX_STORE_BIN:-tvix-store} runs=${RUNS:-5}
work=$(mktemp -d -p "${WORK:-/dev/shm}" tvix-compare.XXXXXX)
wipe() { chmod -R u+w "$@" 2>/dev/null || true; rm -rf "$@"; }
trap 'wipe "$work"' EXIT
store="local:$work/store?compression=none"

prefault() { head -c "$(( $(du -sm "$tree" | cut -f1) + 256 ))M" /dev/zero > "$work/prefault"; rm "$work/prefault"; }
timed() { # COMMAND…: wall, CPU and peak memory of one run
  /usr/bin/time -f '%e %U %S %M' -o "$work/time" "$@" > /dev/null 2>> "$work/log"
  awk '{printf "%s %.2f %d\n", $1, $2 + $3, $4 / 1024}' "$work/time"
}
median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
row() { # NAME PREPARE-OURS OURS PREPARE-THEIRS THEIRS: each a command for the shell
  local i; : > "$work/a"; : > "$work/b"; : > "$work/r"
  for ((i = 0; i < runs; i++)); do
    eval "$2"; prefault; timed bash -c "exec $3" >> "$work/a"
    eval "$4"; prefault; timed bash -c "exec $5" >> "$work/b"
    paste -d' ' <(tail -1 "$work/a") <(tail -1 "$work/b") | awk '{print ($4 > 0 ? $1 / $4 : 0)}' >> "$work/r"
  done
  printf '| %s | %s | %s | %s | %s | %.2f | %s |\n' "$1" \
    "$(cut -d' ' -f1 "$work/a" | median)" "$(cut -d' ' -f2 "$work/a" | median)" \
    "$(cut -d' ' -f1 "$work/b" | median)" "$(cut -d' ' -f2 "$work/b" | median)" "$(median < "$work/r")" "$(cut -d' ' -f3 "$work/a" | sort -n | tail -1)"
}

for tree in "$@"; do
  tree=$(realpath "$tree")
  printf '\n#### %s: %s files, %s bytes\n\n' "$(basename "$tree")" "$(find "$tree" -type f | wc -l)" "$(find "$tree" -type f -printf '%s\n' | awk '{s += $1} END {printf "%.0f", s}')"
  printf '| work | tvix-store s | CPU s | Nix s | CPU s | ratio | our peak MB |\n|---|---|---|---|---|---|---|\n'
  find "$tree" -type f -print0 | xargs -0 -r cat > /dev/null
  row 'import (NAR hash, no compression) / nix-store --add' "wipe $work/store" "$tvix --store '$store' import $tree" "wipe $work/nix" "nix-store --store $work/nix --add $tree"
  row 'import again / the same' : "$tvix --store '$store' import $tree" : "nix-store --store $work/nix --add $tree"
  path=$("$tvix" --store "$store" import "$tree")
  row 'render / nix-store --dump' : "$tvix --store '$store' nar $path" : "nix-store --dump $tree"
  row 'NAR of a tree on disk / nix-store --dump' : "$tvix nar $tree" : "nix-store --dump $tree"
  row 'render + SHA-256 / nix-hash' : "$tvix --store '$store' nar --hash $path" : "nix-hash --type sha256 $tree"
  nix-store --dump "$tree" > "$work/nar"
  row 'export / nix-store --restore' "wipe $work/out" "$tvix --store '$store' export $path $work/out" "wipe $work/out" "sh -c 'nix-store --restore $work/out < $work/nar'"
  wipe "$work/store" "$work/nix" "$work/out" "$work/nar"
done
