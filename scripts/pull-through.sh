#!/usr/bin/env bash
# Has Nix substitute through a daemon in front of another binary cache, which has every fault that one can have.
#
#   scripts/pull-through.sh [--keep]
#
# The other cache is a folder that nix copy made, served by a web server. A closure comes through the daemon, once with that server and once without it.
#   --keep   keep the folder with the stores and logs, and tell where it is
#
# TVIX_STORE_BIN is the tool; the default is the release build. Needs nix-store and nix (2.8 or later), curl and python3.
# Prints a line for each check, and ends with 1 if any of them failed.
set -u
needs=curl
. "$(dirname "$0")/with-nix.sh"

start_upstream() { # FOLDER
    run upstream python3 "$root/scripts/faulty-cache.py" "$tmp/$1" "$tmp/upstream.port" "$tmp/fault" "$tmp/asked" 2> "$tmp/upstream.log"
    upstream_port=$(cat "$tmp/upstream.port")
}
encode() { python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1], safe=""))' "$1"; }
start() { # STORE: the daemon with a near store, in front of the other cache
    local far="nix+http://127.0.0.1:$upstream_port?trusted-public-keys=$(encode "$(cat "$tmp/key.public")")&timeout=2&retries=1&temporary-folder=$tmp/spool"
    start_daemon "cache:?near=$(encode "local:$tmp/$1")&far=$(encode "$far")"
}
asked() { grep -cE "$1" "$tmp/asked"; } # PATTERN: how many requests the other cache got that match
fault() { echo "$1" > "$tmp/fault"; : > "$tmp/asked"; }
is_empty() { test -z "$("$tool" --store "local:$tmp/$1" list 2> /dev/null)"; } # STORE
unharmed() { not grep -qE 'Exception|crit:' "$tmp/daemon.log"; }

mkdir "$tmp/spool"
make_signed_closure
fault none
check "nix copy makes a cache in a folder" nix copy --from "$tmp/a" --to "file://$tmp/static?compression=xz" "$main"
start_upstream static

# Everything through the daemon, then once more without the other cache.
start near
check "a narinfo is told" curl -fsS -o "$tmp/narinfo" "$url/$(hash_of "$big").narinfo"
check "the NAR has its size" sh -c "curl -fsSI '$url/$(sed -n 's/^URL: //p' "$tmp/narinfo")' | grep -qi '^content-length: $(sed -n 's/^NarSize: //p' "$tmp/narinfo")'"
check "nothing was fetched for that" test "$(asked /nar/)" = 0
new_client
check "nix copy --from, through the daemon" nix copy --from "$url" --to "$tmp/b" "$main"
check "the contents are the same" same_store b
check "each NAR was fetched once" test "$(asked 'GET /nar/')" = 3
drop b
end upstream KILL
new_client
check "nix-store --realise, without the other cache" nix-store --store "$tmp/b" --option substituters "$url" --realise "$main"
check "the contents are the same" same_store b
check "no temporary file is left" test -z "$(ls "$tmp/spool")"
check "nothing went wrong" unharmed
drop b
stop
check "the near store is whole" "$tool" --store "local:$tmp/near" verify

# The first bytes come while the others are being fetched.
start_upstream static
fault slow
start near-slow
curl -fsS -o "$tmp/narinfo" "$url/$(hash_of "$big").narinfo"
python3 - "$url/$(sed -n 's/^URL: //p' "$tmp/narinfo")" "$(sed -n 's/^NarSize: //p' "$tmp/narinfo")" > "$tmp/early" << 'PYTHON'
import sys, time, urllib.request
start = time.monotonic()
with urllib.request.urlopen(sys.argv[1]) as r:
    r.read(100_000)
    first = time.monotonic() - start
    rest = len(r.read())
print("ok" if first + 0.5 < time.monotonic() - start and rest + 100_000 == int(sys.argv[2]) else "late", first, rest)
PYTHON
check "first bytes come before the last are fetched" grep -q ^ok "$tmp/early"
stop

# A connection that breaks is resumed.
fault cut-once
start near-resumed
new_client
check "nix copy --from, with every connection cut once" nix copy --from "$url" --to "$tmp/b" "$main"
check "the contents are the same" same_store b
check "the rest was asked for, and no more" test "$(asked 'GET /nar/.* bytes=')" = 3
drop b
stop

# Faults: refused, nothing is kept, and a client gets along without.
check "there is another cache" nix copy --from "$tmp/a" --to "file://$tmp/spare" "$main"
for kind in corrupt truncated cut signature path error nar-error hang nar-hang; do
    fault "$kind"
    start "near-$kind"
    new_client
    check "$kind: nothing is substituted" not nix-store --store "$tmp/b" --option substituters "$url" --realise "$big"
    drop b
    check "$kind: nothing is complete" not curl -fsS --max-time 30 -o "$tmp/nar" "$url/nar/$(sed -n 's/^NarHash: sha256://p' "$tmp/static/$(hash_of "$big").narinfo").nar?path=$(hash_of "$big")"
    new_client
    check "$kind: a client falls back to another cache" nix-store --store "$tmp/b" --option substituters "$url file://$tmp/spare" --option fallback true --realise "$big"
    check "$kind: what it has then is right" nix-store --store "$tmp/b" --verify-path "$big"
    drop b
    check "$kind: no exception is in the log" unharmed
    stop
    check "$kind: nothing of it is visible" is_empty "near-$kind"
    check "$kind: no temporary file is left" test -z "$(ls "$tmp/spool")"
done

# Faults go away.
fault corrupt
start near-recovered
new_client
check "a corrupt cache is refused" not nix copy --from "$url" --to "$tmp/b" "$main"
stop
fault none
start near-recovered
new_client
check "a repaired one is not" nix copy --from "$url" --to "$tmp/b" "$main"
check "the contents are the same" same_store b
drop b
stop

end upstream KILL

# The tool itself.
fault none
start_upstream static
check "copy from a cache over HTTP" "$tool" copy "nix+http://127.0.0.1:$upstream_port" "local:$tmp/copied" "$main"
check "nothing was fetched twice" test "$(asked 'GET /nar/')" = 3
for compression in none xz zstd gzip br; do
    check "copy to a folder with $compression" "$tool" copy --all "local:$tmp/copied" "file://$tmp/folder-$compression?compression=$compression"
    new_client
    check "nix copy --from that folder" nix copy --from "file://$tmp/folder-$compression" --to "$tmp/b" "$main"
    check "the contents are the same" same_store b
    drop b
done
check "copy from a folder" "$tool" copy --all "file://$tmp/folder-xz" "local:$tmp/copied-again"
check "both have the same store paths" test "$("$tool" --store "local:$tmp/copied" list)" = "$("$tool" --store "local:$tmp/copied-again" list)"
start_daemon "local:$tmp/taken"
check "copy to a cache over HTTP" "$tool" copy "local:$tmp/copied" "nix+$url?compression=xz" "$main"
check "once more, which sends no NAR" "$tool" copy "local:$tmp/copied" "nix+$url?compression=xz" "$main"
check "it was sent once" test "$(requests 'PUT /nar/')" = 3
stop
check "it is there" test "$("$tool" --store "local:$tmp/copied" list)" = "$("$tool" --store "local:$tmp/taken" list)"
summary
