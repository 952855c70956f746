#!/usr/bin/env bash
# Compares tvix-store with Nix on trees: store paths, archives, listings, exports, deduplication; and bounds the memory it takes.
#
#   scripts/compare-with-nix.sh [--small] [--max-memory MB] [TREE…]
#
# The trees that are given are compared, and some that are made: many small files, odd names, a deep tree, a wide folder, a large file.
#   --small          make the wide folder and the large file small
#   --max-memory MB  how much memory the tool may take at most while it imports, archives and exports (default 250)
#
# TVIX_STORE_BIN is the tool; the default is the release build. Needs nix-store and nix (2.8 or later), and GNU time or python3.
# Prints a line for each check, and ends with 1 if any of them failed.
set -u
umask 022
export LC_ALL=C

small=
max_memory=250
trees=()
while [ $# -gt 0 ]; do
    case $1 in
        --small) small=1 ;;
        --max-memory) max_memory=$2; shift ;;
        -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
        -*) echo "error: unknown option $1" >&2; exit 2 ;;
        *) trees+=("$(realpath -s -- "$1")") ;;
    esac
    shift
done

root=$(cd "$(dirname "$0")/.." && pwd)
if [ -n "${TVIX_STORE_BIN:-}" ]; then
    tool=("$TVIX_STORE_BIN")
else
    tool=(dotnet "$root/artifacts/bin/Tvix.Store.Cli/release/tvix-store.dll")
    [ -e "${tool[1]}" ] || { echo "error: build it first: dotnet build Tvix.Store.Cli -c Release" >&2; exit 2; }
fi
for needed in nix nix-store cmp; do
    command -v "$needed" > /dev/null || { echo "error: $needed is not installed" >&2; exit 2; }
done

tmp=$(mktemp -d "${TMPDIR:-/tmp}/compare-with-nix.XXXXXX")
cleanup() {
    chmod -R u+w "$tmp" 2> /dev/null
    rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

export TVIX_STORE="local:$tmp/store"
nix_store=(nix-store --store "$tmp/nix")
ok=0
failed=0

check() { # NAME COMMAND…: one line that says whether the command succeeds
    local name=$1
    shift
    if "$@" > "$tmp/log" 2>&1; then
        ok=$((ok + 1))
        echo "ok    $name"
    else
        failed=$((failed + 1))
        echo "FAIL  $name"
        head -c 2000 "$tmp/log" | sed 's/^/      /'
    fi
}

# Runs the tool; its peak memory goes to $tmp/peak, in kB.
measured() {
    if [ -x /usr/bin/time ]; then
        /usr/bin/time -f %M -o "$tmp/peak" "${tool[@]}" "$@"
    else
        python3 - "$tmp/peak" "${tool[@]}" "$@" << 'PYTHON'
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
PYTHON
    fi
}

check_memory() { # NAME
    local mb=$((($(tail -n 1 "$tmp/peak") + 1023) / 1024))
    check "$1: peak memory $mb MB, at most $max_memory" test "$mb" -le "$max_memory"
}

# What an archive keeps of a tree: kinds, names, targets, and whether a file's owner may execute it.
shape() {
    (cd "$1" && find . -printf '%y %m %l %P\0') | python3 -c '
import sys
for line in sorted(sys.stdin.buffer.read().split(b"\0")):
    kind, mode, rest = (line.split(b" ", 2) + [b"", b""])[:3]
    if kind == b"f":
        mode = b"755" if int(mode, 8) & 0o100 else b"644"
    elif kind:
        mode = b"755" if kind == b"d" else b"777"
    sys.stdout.buffer.write(b" ".join([kind, mode, rest]) + b"\0")'
}

same_shape() {
    if [ -d "$1" ] && [ ! -L "$1" ]; then
        shape "$1" > "$tmp/shape1" && shape "$2" > "$tmp/shape2" && cmp "$tmp/shape1" "$tmp/shape2" || return 1
        # Not normalised: the modes that the export itself makes.
        [ -z "$(find "$2" -type f ! -perm 644 ! -perm 755 -print -quit)$(find "$2" -type d ! -perm 755 -print -quit)" ]
    else
        [ "$(stat -c %F "$1")" = "$(stat -c %F "$2")" ]
    fi
}

same_contents() { diff -r --no-dereference -- "$1" "$2"; }

# One number for what the store holds of data. The path info is written again by every import, so it does not count.
unique_data() { "${tool[@]}" stats --json | python3 -c '
import json, sys
stats = json.load(sys.stdin)
print(*(stats[key] for key in ("storePaths", "uniqueBytes", "chunks", "chunkedBlobs", "directories")))'; }

compare() { # NAME TREE
    local name=$1 tree=$2 path nix_path before
    local nar=$tmp/nar.nix

    # A name that is valid whatever the tree is called.
    path=$(measured import --name compared "$tree") || path="import failed"
    check_memory "$name: import"
    "${nix_store[@]}" --dump "$tree" > "$nar"
    nix_path=$(nix --extra-experimental-features nix-command --store "$tmp/nix" store add-path --name compared "$tree" 2> /dev/null)
    check "$name: import prints the store path that nix prints, $nix_path" test -n "$nix_path" -a "$path" = "$nix_path"
    if [[ $(basename "$tree") =~ ^[A-Za-z0-9+_?=-][A-Za-z0-9+._?=-]*$ ]]; then
        check "$name: so with nix-store --add" test "$("${tool[@]}" import "$tree")" = "$("${nix_store[@]}" --add "$tree")"
    fi

    measured nar "$path" > "$tmp/nar.store"
    check "$name: nar STOREPATH is what nix-store --dump writes" cmp "$tmp/nar.store" "$nar"
    check_memory "$name: nar STOREPATH"
    measured nar "$tree" > "$tmp/nar.disk"
    check "$name: nar PATH is what nix-store --dump writes" cmp "$tmp/nar.disk" "$nar"
    check_memory "$name: nar PATH"
    rm -f "$tmp/nar.disk"

    check "$name: nix-store --restore reads the archive" eval "nix-store --restore '$tmp/restored' < '$tmp/nar.store'"
    check "$name: nix-store --restore gives the tree" same_contents "$tree" "$tmp/restored"
    chmod -R u+w "$tmp/restored" 2> /dev/null
    rm -rf "$tmp/restored" "$tmp/nar.store"

    check "$name: export" measured export "$path" "$tmp/exported"
    check_memory "$name: export"
    check "$name: export gives the tree" same_contents "$tree" "$tmp/exported"
    check "$name: export gives kinds, targets and modes" same_shape "$tree" "$tmp/exported"
    rm -rf "$tmp/exported"

    if "${tool[@]}" ls --json -R "$path" > "$tmp/ls.tool" 2> "$tmp/ls.error"; then
        nix --extra-experimental-features nix-command nar ls --json --recursive "$nar" / > "$tmp/ls.nix" 2> /dev/null
        printf '\n' >> "$tmp/ls.nix"
        check "$name: ls --json -R is what nix nar ls prints" cmp "$tmp/ls.tool" "$tmp/ls.nix"
    else
        # JSON cannot tell names that are not UTF-8. Nix prints part of it, or what is no JSON, or fails.
        check "$name: ls --json -R refuses names that are not UTF-8" grep -q "not UTF-8" "$tmp/ls.error"
        check "$name: and nix nar ls --json makes no JSON either" eval \
            "! nix --extra-experimental-features nix-command nar ls --json --recursive '$nar' / 2> /dev/null | python3 -c 'import json, sys; json.loads(sys.stdin.buffer.read().decode())'"
    fi

    before=$(unique_data)
    check "$name: second import gives the same path" test "$("${tool[@]}" import --name compared "$tree")" = "$path"
    check "$name: second import adds no data" test "$(unique_data)" = "$before"
    rm -f "$nar"
    rm -rf "$tmp/store"
    chmod -R u+w "$tmp/nix" 2> /dev/null
    rm -rf "$tmp/nix"
}

make_trees() { # FOLDER
    python3 - "$1" "${small:-0}" << 'PYTHON'
import os, random, sys
root, small = os.fsencode(sys.argv[1]), sys.argv[2] == "1"
random.seed(1)

def put(path, data, executable=False):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, 0o755 if executable else 0o644)

# Many small files, links, executables, empty files and folders.
many = root + b"/many"
for i in range(50):
    folder = many + b"/folder-%d" % i
    os.makedirs(folder + b"/empty")
    for j in range(40):
        put(folder + b"/file-%d" % j, random.randbytes(random.choice([0, 1, 7, 8, 9, 300, 5000])), j % 7 == 0)
    os.symlink(b"file-1", folder + b"/link")
    os.symlink(b"/nowhere/at all", folder + b"/dangling")
put(many + b"/empty", b"")
put(many + b"/not-for-me", b"x")
os.chmod(many + b"/not-for-me", 0o655)  # executable for others, not for its owner

# Odd names, all of them UTF-8.
odd = root + b"/odd"
os.makedirs(odd)
for name in ["a", "a.b", "a b", "a\nb", "a\tb", 'a"b', "a\\b", "-n", "*", "~", "$HOME", "\u00e4", "a\u0308", "日本", "\U0001f600", "A", "Z", "\x01", "\x7f", " ", "...", "n" * 255]:
    put(odd + b"/" + name.encode(), name.encode())
for name in ["aa", "a-", "a/b"]:
    os.makedirs(odd + b"/sub/" + name.encode())
os.symlink("日本\n".encode(), odd + b"/link")

# Names that are not UTF-8.
raw = root + b"/raw"
os.makedirs(raw)
for name in [b"\xff", b"\xc3", b"\xed\xa0\x80", b"ok", b"\x80a", bytes(range(0x80, 0xff))]:
    put(raw + b"/" + name, name)
os.symlink(b"\xfe\xff", raw + b"/link")

# Deep.
folder = root + b"/deep"
os.makedirs(folder)
at = os.open(folder, os.O_RDONLY)
for i in range(300):
    with os.fdopen(os.open("file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=at), "wb") as f:
        f.write(b"level %d" % i)
    os.mkdir("folder", dir_fd=at)
    below = os.open("folder", os.O_RDONLY, dir_fd=at)
    os.close(at)
    at = below
os.close(at)

# Wide.
os.makedirs(root + b"/wide")
for i in range(5_000 if small else 100_000):
    put(root + b"/wide/%d" % i, b"%d" % i)

# Large: half of it random, half of it zeros.
os.makedirs(root + b"/large")
size = (64 << 20) if small else (2 << 30)
with open(root + b"/large/file", "wb") as f:
    for _ in range(size // (2 << 20)):
        f.write(random.randbytes(1 << 20))
    f.write(bytes(5))
    f.truncate(size + 5)

# A root that is no folder.
put(root + b"/script", b"#!/bin/sh\n", True)
os.symlink(b"script", root + b"/link-to-script")
PYTHON
}

make_trees "$tmp/trees" || { echo "error: the trees cannot be made" >&2; exit 2; }
for tree in many odd raw deep wide large script link-to-script; do
    compare "$tree" "$tmp/trees/$tree"
    chmod -R u+w "$tmp/trees/$tree" 2> /dev/null
    rm -rf "$tmp/trees/$tree"
done
for tree in ${trees[@]+"${trees[@]}"}; do
    compare "$tree" "$tree"
done

echo "$ok ok, $failed failed"
[ "$failed" -eq 0 ]
