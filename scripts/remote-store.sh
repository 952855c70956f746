#!/usr/bin/env bash
# Uses the tool with stores that daemons serve: imports over TCP and a Unix socket, what goes over the network, daemons that are killed and ended in mid-import, every command
# compared with the local store, a cache in front of a daemon, and tokens. Ends with a line "N ok, N failed".
#
#   scripts/remote-store.sh [--megabytes N]
#
#   --megabytes N   how much random data the trees have that are imported while their daemon goes away (default 60)
#
# TVIX_STORE_BIN is the tool. Needs python3 and tar.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C
umask 022
tool=${TVIX_STORE_BIN:?the path of the tool}
megabytes=60
[ "${1:-}" != --megabytes ] || megabytes=$2
scratch=$(mktemp -d)
. scripts/daemons.sh
finish() { finish_daemons; [ -z "$relay_pid" ] || kill "$relay_pid" 2>/dev/null; chmod -R u+w "$scratch" 2>/dev/null; rm -rf "$scratch"; }
trap finish EXIT
encoded() { python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1], safe=""))' "$1"; }

# --- trees
python3 - "$scratch/tree" <<'PYTHON'
import os, random, sys
root = os.fsencode(sys.argv[1])
random.seed(7)
def put(path, data, executable=False):
    with open(root + b"/" + path, "wb") as f:
        f.write(data)
    os.chmod(root + b"/" + path, 0o755 if executable else 0o644)
for i in range(30):
    os.makedirs(root + b"/many/%d" % i)
    for j in range(100):
        put(b"many/%d/%d" % (i, j), random.randbytes(random.randrange(4000)), j % 9 == 0)
os.makedirs(root + b"/empty-folder")
put(b"empty", b"")
put(b"run", b"#!/bin/sh\necho run\n", True)
put(b"\xff\xfe not UTF-8", b"a name is bytes")
put(b"large", random.randbytes(40 << 20))
os.symlink(b"run", root + b"/link")
os.symlink(b"/nowhere/\xff", root + b"/dangling")
PYTHON
make_large() { # FOLDER: random data that no store has yet
  mkdir -p "$1/small"
  for i in 1 2 3; do head -c "$((megabytes << 20 >> 2))" /dev/urandom > "$1/part-$i"; done
  split -a 4 -b 65536 <(head -c "$((megabytes << 20 >> 2))" /dev/urandom) "$1/small/"
}
tree=$scratch/tree
tree_bytes=$(du -sb "$tree" | cut -f1)
tar -C "$scratch" -cf "$scratch/tree.tar" tree
expected=$("$tool" --store "local:$scratch/apart" import "$tree")

# --- imports
start_daemon main "local:$scratch/main" || exit 1
start_relay main || exit 1
check "import over TCP prints the store path that a local import prints" test "$("$tool" --store "$relay_address" import "$tree")" = "$expected"
end_relay; first=$relay_bytes
puts=$(grep -c 'BlobService/Put ' "$scratch/main.log")
start_relay main || exit 1
check "a second import does too" test "$("$tool" --store "$relay_address" import "$tree")" = "$expected"
end_relay
check "the first import sent the tree: $first bytes for $tree_bytes" test "$first" -gt "$((tree_bytes * 9 / 10))" -a "$first" -lt "$((tree_bytes * 11 / 10))"
files=$(find "$tree" -type f | wc -l)
check "the second import sent $((relay_bytes / files)) bytes a file, which is no more than questions take, $((relay_bytes * 1000 / tree_bytes)) in 1000 of the tree" test "$relay_bytes" -lt "$((files * 320))"
check "and called no BlobService/Put, as the daemon tells, after $puts calls" test "$puts" -gt 0 -a "$(grep -c 'BlobService/Put ' "$scratch/main.log")" = "$puts"

start_daemon socket "local:$scratch/socket-store" || exit 1
check "import over a Unix socket" test "$("$tool" --store "grpc+unix:$scratch/socket.socket" import "$tree")" = "$expected"
end_daemon socket
start_daemon tar "local:$scratch/tar-store" || exit 1
check "import of a tar archive" test "$("$tool" --store "${daemon_address[tar]}" import --tar "$scratch/tree.tar" --name tree)" = "$expected"
check "import of a tar archive over a Unix socket" test "$("$tool" --store "grpc+unix:$scratch/tar.socket" import --tar - --name tree < "$scratch/tree.tar")" = "$expected"
end_daemon tar
for store in main socket-store tar-store; do
  check "the store $store is sound" "$tool" --store "local:$scratch/$store" verify
done

# --- every command, on the daemon and on its files
remote() { "$tool" --store "${daemon_address[main]}" "$@"; }
near() { "$tool" --store "local:$scratch/main" "$@"; }
same() { # COMMAND…: the same output, errors and exit code
  local a b
  remote "$@" > "$scratch/remote.out" 2> "$scratch/remote.err"; a=$?
  near "$@" > "$scratch/near.out" 2> "$scratch/near.err"; b=$?
  [ "$a" = "$b" ] || { echo "exit codes $a and $b"; cat "$scratch/remote.err" "$scratch/near.err"; return 1; }
  cmp "$scratch/remote.out" "$scratch/near.out" && cmp "$scratch/remote.err" "$scratch/near.err"
}
remote import --name second docs > "$scratch/second"
second=$(cat "$scratch/second")
same_sorted() { cmp <(remote "$@" | sort) <(near "$@" | sort) && [ "$(remote "$@" | wc -l)" -ge 2 ]; }
check "list" same_sorted list
check "list --json" eval 'cmp <(remote list --json | tr -d "[]" | sed "s/,$//" | sort) <(near list --json | tr -d "[]" | sed "s/,$//" | sort)'
for command in "info $expected" "narinfo $expected" "ls -lR $expected" "ls --json -R $second" "tree $second" "cat $expected/large" "cat $second/cli.md" "nar $expected" "nar --hash $expected/many" \
  "import --name second docs" "import --flat README.md" verify "ls $expected/nothing" "cat $expected" "info 00000000000000000000000000000000" "ls --json -R $expected" "import /nothing"; do
  check "$command" same $command
done
check "export" eval 'remote export "$expected" "$scratch/exported" && diff -r --no-dereference "$tree" "$scratch/exported"'
check "stats tells what a daemon can tell" eval '[ -z "$(comm -23 <(remote stats | sort) <(near stats | sort))" ] && remote stats | grep -q "^Store paths: "'
check "rebuild-index says that it needs a local store" fails 2 "is not the address of a local store" remote rebuild-index
check "the daemon ends in order" end_daemon main

# --- a daemon that is not there, is killed, or is told to end
check "a daemon that is not there is a clear error" fails 1 "127\.0\.0\.1" timeout 60 "$tool" --store "${daemon_address[main]}" list
check "so it is for an import" fails 1 "127\.0\.0\.1" timeout 60 "$tool" --store "${daemon_address[main]}" import "$tree"
make_large "$scratch/large"
large=$("$tool" --store "local:$scratch/apart" import "$scratch/large")
start_daemon main "local:$scratch/main" || exit 1
start_relay main "$((megabytes << 20 >> 1))" kill -KILL "${daemon_pid[main]}" || exit 1
check "killed in mid-import: one clear line, exit code 1" fails 1 "127\.0\.0\.1" timeout 60 "$tool" --store "$relay_address" import "$scratch/large"
cat "$scratch/fails.err" | sed 's/^/      /'
end_relay
end_daemon main KILL
start_daemon main "local:$scratch/main" || exit 1
check "the store path is not there, since not all of it is" fails 3 "not in the store" remote info "$large"
start_relay main || exit 1
check "the same import completes" test "$("$tool" --store "$relay_address" import "$scratch/large")" = "$large"
end_relay
check "and went on where it was: it sent $relay_bytes bytes of $((megabytes << 20))" test "$relay_bytes" -lt "$((megabytes << 20))"
check "the store is sound" near verify
check "the contents are right" cmp <(near nar "$large") <("$tool" nar "$scratch/large")

make_large "$scratch/later"
later=$("$tool" --store "local:$scratch/apart" import "$scratch/later")
start_relay main "$((megabytes << 20 >> 1))" kill -TERM "${daemon_pid[main]}" || exit 1
timeout 60 "$tool" --store "$relay_address" import "$scratch/later" > "$scratch/later.out" 2> "$scratch/later.err"; status=$?
if [ "$status" = 0 ]; then
  check "told to end in mid-import: the import was let finish" test "$(cat "$scratch/later.out")" = "$later"
else
  check "told to end in mid-import: the import ends with one clear line, exit code 1" test "$status" = 1 -a "$(grep -c '^error: ' "$scratch/later.err")" = 1 -a "$(wc -l < "$scratch/later.err")" = 1
  sed 's/^/      /' "$scratch/later.err"
fi
end_relay
check "the daemon ends in order" end_daemon main
check "the store is sound" near verify
start_daemon main "local:$scratch/main" || exit 1
check "the same import completes" test "$(remote import "$scratch/later")" = "$later"

# --- a cache between
start_daemon near "cache:?near=$(encoded "local:$scratch/near-store")&far=$(encoded "${daemon_address[main]}")" || exit 1
through() { "$tool" --store "${daemon_address[near]}" "$@"; }
check "a cache serves a store path of the far daemon" cmp <(through nar "$expected") <("$tool" nar "$tree")
check "the far daemon ends in order" end_daemon main
check "the cache serves it without the far daemon" cmp <(through nar "$expected") <("$tool" nar "$tree")
check "a store path that was not read before is a clear error then" fails 1 "127\.0\.0\.1" through nar "$large"
check "the cache's daemon ends in order" end_daemon near

# --- tokens
printf 'read reader-0123456789 r\nwrite writer-0123456789 w\n' > "$scratch/tokens"; chmod 600 "$scratch/tokens"
printf reader-0123456789 > "$scratch/reader"; printf writer-0123456789 > "$scratch/writer"; printf stranger-0123456789 > "$scratch/stranger"
start_daemon tokens "local:$scratch/main" --tokens "$scratch/tokens" || exit 1
as() { local who=$1; shift; "$tool" --store "${daemon_address[tokens]}?token-file=$scratch/$who" "$@"; }
check "without a token, reading is a clear error" fails 1 "token" "$tool" --store "${daemon_address[tokens]}" list
sed 's/^/      /' "$scratch/fails.err"
check "so it is with an unknown token" fails 1 "token" as stranger info "$expected"
sed 's/^/      /' "$scratch/fails.err"
check "with one for reading, reading works" cmp <(as reader nar "$expected") <("$tool" nar "$tree")
check "and writing is a clear error" fails 1 "token" as reader import scripts
sed 's/^/      /' "$scratch/fails.err"
check "with one for writing, writing works" as writer import scripts
check "the token's daemon ends in order" end_daemon tokens
check "the tokens are not in the log" eval '! grep -q 0123456789 "$scratch/tokens.log"'

check "no daemon whose clients did nothing wrong logged a warning" eval '! grep -hE "^[^ ]+ (warn|fail|crit): " "$scratch"/{main,socket,tar}.log'
summary
