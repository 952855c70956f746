#!/usr/bin/env bash
# Has Nix copy to the binary cache of tvix-store, and substitute from it.
#
#   scripts/nix-cache.sh [--keep]
#
# A closure with references, a self-reference, executables, links and a file of 30 MB is copied to a cache, with each compression that Nix has for it, and from it into
# stores that want signatures. Contents are compared.
#   --keep   keep the folder with the stores and logs, and tell where it is
#
# TVIX_STORE_BIN is the tool; the default is the release build. Needs nix-store and nix (2.8 or later), curl, zstd and python3.
# Prints a line for each check, and ends with 1 if any of them failed.
set -u
needs="curl zstd"
. "$(dirname "$0")/with-nix.sh"
start() { start_daemon "local:$tmp/$1" "${@:2}"; } # STORE OPTION…
make_signed_closure
nix-store --generate-binary-cache-key server-1 "$tmp/server.secret" "$tmp/server.public" || exit 2

for compression in none xz zstd gzip br bzip2; do
    start "cache-$compression"
    new_client
    check "$compression: nix copy --to" nix copy --from "$tmp/a" --to "$url?compression=$compression" "$main"
    check "$compression: it sent three NARs and three narinfos" test "$(requests 'PUT /nar/[^ ]* 204')/$(requests 'PUT /[^ /]*\.narinfo 204')" = 3/3
    if [ $compression != bzip2 ]; then
        check "$compression: nix copy --from, by a client who remembers what it uploaded" nix copy --from "$url" --to "$tmp/b" "$main"
        check "$compression: the contents are the same" same_store b
        check "$compression: it asked for the files by the names that they had" test "$(requests 'GET /nar/[0-9a-z]{52}\.nar')" = 3
        drop b
    fi
    : > "$tmp/daemon.log"
    new_client
    check "$compression: nix copy --to, once more" nix copy --from "$tmp/a" --to "$url?compression=$compression" "$main"
    check "$compression: it sent nothing" test "$(requests 'PUT')" = 0
    stop
    start "cache-$compression"
    new_client
    check "$compression: nix copy --from, after a restart" nix copy --from "$url" --to "$tmp/b" "$main"
    check "$compression: the contents are the same" same_store b
    check "$compression: no request failed" not grep -qE ' 5[0-9][0-9] in |fail:|crit:' "$tmp/daemon.log"
    drop b
    stop
    [ $compression = none ] || drop "cache-$compression"
done

start cache-none
new_client
check "nix-store --realise substitutes" nix-store --store "$tmp/b" --option substituters "$url" --realise "$main"
check "the contents are the same" same_store b
drop b
new_client
info() { nix path-info --store "$url" --json --recursive "$main" > "$tmp/info.json" && nix path-info --store "$tmp/a" --json --recursive "$main" > "$tmp/info-a.json"; }
check "nix path-info --json" info
check "nix path-info says of the cache what it says of the store" python3 - "$tmp/info.json" "$tmp/info-a.json" << 'PYTHON'
import json, sys
cache, store = ({i["path"]: i for i in json.load(open(f))} for f in sys.argv[1:])
assert cache.keys() == store.keys() and len(cache) == 3
for path, info in store.items():
    for key in ("narHash", "narSize", "references", "signatures"):
        a, b = (sorted(i[key]) if isinstance(i[key], list) else i[key] for i in (info, cache[path]))
        assert a == b, (path, key, a, b)
PYTHON
lists() { nix store ls --store "$url" --recursive --long "$main" > "$tmp/ls" && nix store ls --store "$tmp/a" --recursive --long "$main" > "$tmp/ls-a" && diff "$tmp/ls" "$tmp/ls-a"; }
check "nix store ls" lists
cats() { nix store cat --store "$url" "$dep/bin/tool" | cmp - "$tmp/a$dep/bin/tool"; }
check "nix store cat" cats
check "nix store verify" nix store verify --store "$url" --recursive "$main"
check "nix log finds none where there is none" not nix log --store "$url" "$main"
check "nix store sign adds a signature in the cache" nix store sign --store "$url" --key-file "$tmp/server.secret" "$dep"
new_client
signed() { nix path-info --store "$url" --json "$dep" | grep -q 'test-1:.*server-1:\|server-1:.*test-1:'; }
check "both signatures are there" signed
stop

# NARs as zstd, of the chunks as they are stored: as files that narinfos tell of, and on the way.
nix-store --dump "$tmp/a$big" > "$tmp/nar"
for store in cache-none 'cache-raw?compression=none'; do
    start "$store" --http-nar-compression zstd
    new_client
    check "$store, zstd: nix copy --to" nix copy --from "$tmp/a" --to "$url?compression=none" "$main"
    new_client
    check "$store, zstd: nix-store --realise substitutes" nix-store --store "$tmp/b" --option substituters "$url" --realise "$main"
    check "$store, zstd: the contents are the same" same_store b
    check "$store, zstd: three NARs were sent, all as zstd" test "$(requests 'GET /nar/[^ ]*\.nar\.zst 200')/$(requests 'GET /nar/')" = 3/3
    drop b
    new_client
    check "$store, zstd: nix copy --from" nix copy --from "$url" --to "$tmp/b" "$main"
    check "$store, zstd: the contents are the same" same_store b
    drop b
    hash=${big#/nix/store/}
    curl -sSf "$url/${hash%%-*}.narinfo" > "$tmp/narinfo"
    file=$(sed -n 's/^URL: //p' "$tmp/narinfo")
    says() { grep -qx 'Compression: zstd' "$tmp/narinfo" && ! grep -q '^File' "$tmp/narinfo"; }
    check "$store, zstd: the narinfo says so, and tells nothing that is not known" says
    unzstd() { curl -sSf "$url/$file" | zstd -dc | cmp - "$tmp/nar"; }
    check "$store, zstd: zstd decompresses the file" unzstd
    nar=${file/.nar.zst/}
    travels() { curl -sSf --compressed -D "$tmp/headers" "$url/$nar" | cmp - "$tmp/nar" && grep -qi '^content-encoding: zstd' "$tmp/headers"; }
    check "$store, zstd: curl --compressed gets the NAR, as zstd" travels
    stop
done
start cache-none
check "a NAR that is cut off" not curl -sSf --max-filesize 99999999 --limit-rate 3M --max-time 1 -o "$tmp/part" "$url/$nar"
check "some of it is there" test "$(stat -c %s "$tmp/part")" -gt 0 -a "$(stat -c %s "$tmp/part")" -lt "$(stat -c %s "$tmp/nar")"
check "curl -C - gets the rest" curl -sSf -C - -o "$tmp/part" "$url/$nar"
check "that is all of it" cmp "$tmp/part" "$tmp/nar"
ranges() { curl -sSf -r 0-7,1000000-1000099 "$url/$nar" | python3 -c '
import sys
body, nar = sys.stdin.buffer.read(), open(sys.argv[1], "rb").read()
assert body.count(b"Content-Range: bytes ") == 2 and b"\r\n\r\n" + nar[:8] + b"\r\n--" in body and b"\r\n\r\n" + nar[1000000:1000100] + b"\r\n--" in body' "$tmp/nar"; }
check "curl -r gets two parts at once" ranges
stop

trust "$tmp/server.public"
start cache-none
new_client
check "without a trusted signature, nothing is substituted" not nix-store --store "$tmp/b" --option substituters "$url" --realise "$big"
drop b
stop
start cache-none --http-key "$tmp/server.secret"
new_client
check "--http-key signs what is served" nix-store --store "$tmp/b" --option substituters "$url" --realise "$main"
check "the contents are the same" same_store b
drop b
stop
trust "$tmp/key.public"

# Killed between the NAR and the narinfo.
start cache-killed
nix-store --dump "$tmp/a$dep" > "$tmp/nar"
name=nar/$(nix-hash --type sha256 --base32 --flat "$tmp/nar").nar
put() { python3 -c '
import sys, urllib.request
print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], data=open(sys.argv[2], "rb").read(), method="PUT")).status)' "$1" "$2"; }
check "a NAR is taken" put "$url/$name" "$tmp/nar"
stop KILL
start cache-killed
new_client
check "nix copy --to after the daemon was killed" nix copy --from "$tmp/a" --to "$url?compression=none" "$dep"
check "it did not send the NAR again" test "$(requests "PUT /nar")/$(requests "HEAD /$name 200")/$(requests 'PUT /[^ /]*\.narinfo 204')" = 0/1/1
check "with ?write-nar-listing=1" nix copy --from "$tmp/a" --to "$url?compression=none&write-nar-listing=1" "$main"
new_client
check "nix copy --from" nix copy --from "$url" --to "$tmp/b" "$main"
check "the contents are the same" same_store b
drop b
stop

# Tokens, as Nix has them in a netrc file.
printf 'read reader-0123456789\nwrite writer-0123456789\n' > "$tmp/tokens"
chmod 600 "$tmp/tokens"
start cache-tokens --tokens "$tmp/tokens"
new_client
check "without a token, nothing is taken" not nix copy --from "$tmp/a" --to "$url?compression=zstd" "$dep"
echo "machine 127.0.0.1 login any password reader-0123456789" > "$tmp/netrc"
new_client
check "with one for reading, nothing is taken" not nix copy --from "$tmp/a" --to "$url?compression=zstd" "$dep"
echo "machine 127.0.0.1 login any password writer-0123456789" > "$tmp/netrc"
new_client
check "with one for writing, everything is" nix copy --from "$tmp/a" --to "$url?compression=zstd" "$main"
echo "machine 127.0.0.1 login any password reader-0123456789" > "$tmp/netrc"
new_client
check "with one for reading, it can be had" nix copy --from "$url" --to "$tmp/b" "$main"
check "the contents are the same" same_store b
stop

# Build logs, and what content-addressed derivations become. For that, Nix has to build something: in a store directory of its own, without a sandbox.
export NIX_STORE_DIR=$tmp/own/store NIX_LOG_DIR=$tmp/own/log NIX_STATE_DIR=$tmp/own/state
cat >> "$NIX_CONF_DIR/nix.conf" << CONF
experimental-features = nix-command ca-derivations
sandbox = false
CONF
cat > "$tmp/built.nix" << 'NIX'
let
  build = name: more: derivation ({ inherit name; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo this is the log of ${name}; echo ${name} > $out" ]; } // more);
in {
  plain = build "plain" { };
  addressed = build "addressed" { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
}
NIX
build() { nix-build --no-out-link "$tmp/built.nix" -A "$1" "${@:2}"; }
start cache-built --store-dir "$NIX_STORE_DIR"
new_client
check "Nix builds something" build plain
plain_drv=$(nix-instantiate "$tmp/built.nix" -A plain 2> /dev/null)
check "nix copy --to, of its derivation" nix copy --to "$url" --derivation "$plain_drv"
check "nix store copy-log --to" nix store copy-log --to "$url" "$plain_drv"
check "nix store copy-log --to, once more" nix store copy-log --to "$url" "$plain_drv"
log_is() { test "$(nix log --store "$url" "$plain_drv")" = "this is the log of plain"; }
new_client # the one that uploaded believes that the NARs are as it sent them
check "nix log" log_is
check "Nix builds something that is addressed by its contents" build addressed
addressed=$(build addressed 2> /dev/null)
addressed_drv=$(nix-instantiate "$tmp/built.nix" -A addressed 2> /dev/null)
check "nix copy --to" nix copy --to "$url" --derivation "$addressed_drv"
check "nix copy --to, of what it became" nix copy --to "$url?secret-key=$tmp/key.secret" --file "$tmp/built.nix" addressed
check "it sent a realisation" test "$(requests 'PUT /realisations/[^ ]* 204')" -ge 1
stop
start cache-built --store-dir "$NIX_STORE_DIR"
check "nix log, after a restart" log_is
drop own
new_client
substituted() { build addressed --option substituters "$url" 2>&1 | tee "$tmp/substituted" | tail -n 1 | grep -qx "$addressed" && ! grep -q "^building" "$tmp/substituted" && grep -qx addressed "$addressed"; }
check "Nix substitutes it instead of building it" substituted
check "by its realisation" test "$(requests 'GET /realisations/[^ ]* 200')" -ge 1
stop

summary
