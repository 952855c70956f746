#!/usr/bin/env bash
# Writes vectors.json: the BLAKE3 digests of the inputs of the official test vectors, as the program b3sum gives them.
# Input of length n: byte i is i mod 251.
set -euo pipefail
cd "$(dirname "$0")"

lengths=(0 1 2 3 4 5 6 7 8 63 64 65 127 128 129 1023 1024 1025 2048 2049 3072 3073 4096 4097 5120 5121
         6144 6145 7168 7169 8192 8193 16384 31744 102400 262143 262144 262145 1048576 1048577)
cycle=$(mktemp)
trap 'rm -f "$cycle"' EXIT
for ((i = 0; i < 251; i++)); do printf "\\x$(printf %02x "$i")"; done > "$cycle"

{
    echo '['
    separator=''
    for length in "${lengths[@]}"; do
        digest=$( (while cat "$cycle"; do :; done) 2> /dev/null | head -c "$length" | b3sum --no-names || true)
        printf '%s  { "length": %d, "hash": "%s" }' "$separator" "$length" "$digest"
        separator=$',\n'
    done
    printf '\n]\n'
} > vectors.json
