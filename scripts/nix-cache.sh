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
umask 022
export LC_ALL=C

keep=
case ${1:-} in
    --keep) keep=1 ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    "") ;;
    *) echo "error: unknown option $1" >&2; exit 2 ;;
esac

root=$(cd "$(dirname "$0")/.." && pwd)
if [ -n "${TVIX_STORE_BIN:-}" ]; then
    tool=("$TVIX_STORE_BIN")
else
    tool=(dotnet "$root/artifacts/bin/Tvix.Store.Cli/release/tvix-store.dll")
    [ -e "${tool[1]}" ] || { echo "error: build it first: dotnet build Tvix.Store.Cli -c Release" >&2; exit 2; }
fi
for needed in nix nix-store python3 diff curl zstd; do
    command -v "$needed" > /dev/null || { echo "error: $needed is not installed" >&2; exit 2; }
done

tmp=$(mktemp -d "${TMPDIR:-/tmp}/nix-cache.XXXXXX")
daemon=
cleanup() {
    [ -z "$daemon" ] || kill -9 "$daemon" 2> /dev/null
    [ -z "$keep" ] || { echo "kept: $tmp"; return; }
    chmod -R u+w "$tmp" 2> /dev/null
    rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

ok=0
failed=0
check() { # NAME COMMAND…: one line that says whether the command succeeds
    local name=$1
    shift
    if "$@" > "$tmp/log" 2>&1; then
        ok=$((ok + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        head -c 2000 "$tmp/log" | sed 's/^/        /'
    fi
}
not() { ! "$@"; }

start() { # STORE OPTION…: starts the daemon; $url is where it is
    local store=$1
    shift
    rm -f "$tmp/port"
    : > "$tmp/daemon.log"
    "${tool[@]}" --store "local:$tmp/$store" daemon --http 127.0.0.1:0 --port-file "$tmp/port" "$@" 2> "$tmp/daemon.log" &
    daemon=$!
    for _ in $(seq 600); do
        [ -s "$tmp/port" ] && break
        kill -0 "$daemon" 2> /dev/null || break
        sleep 0.1
    done
    [ -s "$tmp/port" ] || { echo "error: the daemon did not start" >&2; cat "$tmp/daemon.log" >&2; exit 2; }
    url=http://127.0.0.1:$(head -n 1 "$tmp/port")
}
stop() { # SIGNAL
    kill "-$1" "$daemon"
    wait "$daemon" 2> /dev/null
    daemon=
}
requests() { grep -cE "$1" "$tmp/daemon.log"; } # PATTERN: how many requests the daemon has logged that match

# Nix, alone in the folder. Each client remembers what caches told it, so each call may be that of a new one.
export NIX_STATE_DIR=$tmp/state NIX_CONF_DIR=$tmp/conf HOME=$tmp/home
unset NIX_PATH NIX_REMOTE NIX_CONFIG
mkdir -p "$NIX_STATE_DIR" "$NIX_CONF_DIR" "$HOME"
client=0
new_client() { client=$((client + 1)); export XDG_CACHE_HOME=$tmp/cache-$client; }
nix-store --generate-binary-cache-key test-1 "$tmp/key.secret" "$tmp/key.public" || exit 2
nix-store --generate-binary-cache-key server-1 "$tmp/server.secret" "$tmp/server.public" || exit 2
trust() { # KEYFILE
    cat > "$NIX_CONF_DIR/nix.conf" << CONF
experimental-features = nix-command
build-users-group =
substitute = true
require-sigs = true
trusted-public-keys = $(cat "$1")
download-attempts = 1
netrc-file = $tmp/netrc
CONF
}
trust "$tmp/key.public"

# The closure, as if it had been built: the paths say nothing about the contents.
dep=/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-dep
big=/nix/store/2b9p07z77phvv2hf6gm9f28syp39f1ag-big
main=/nix/store/3b9p07z77phvv2hf6gm9f28syp39f1ag-main-1.0
python3 - "$tmp/a" "$dep" "$big" "$main" << 'PYTHON'
import hashlib, os, random, subprocess, sys
store, dep, big, main = sys.argv[1:]
random.seed(1)
def put(path, data, executable=False):
    path = store + path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, 0o555 if executable else 0o444)
put(dep + "/bin/tool", b"#!/bin/sh\necho tool\n", True)
put(dep + "/share/empty", b"")
os.makedirs(store + dep + "/share/folder")
os.symlink("../bin/tool", store + dep + "/share/link")
for i in range(300):
    put(dep + "/share/many/%d" % i, random.randbytes(random.choice([0, 1, 7, 8, 9, 300, 5000])), i % 7 == 0)
put(big + "/data", random.randbytes(10 << 20) + b"all the same line\n" * (20 * (1 << 20) // 18))
put(big + "/uses", dep.encode() + b"\n")
put(main + "/bin/main", b"#!/bin/sh\nexec " + dep.encode() + b"/bin/tool\n", True)
put(main + "/self", main.encode())
os.symlink(big + "/data", store + main + "/data")
os.symlink("nowhere at all", store + main + "/dangling")
put(main + "/ein Name mit \xc3\xa4", b"x")
lines = []
for path, references in ((dep, []), (big, [dep]), (main, [dep, big, main])):
    for folder, _, names in os.walk(store + path, topdown=False):
        for name in names:
            os.utime(os.path.join(folder, name), (1, 1), follow_symlinks=False)
        os.chmod(folder, 0o555)
        os.utime(folder, (1, 1))
    nar = subprocess.run(["nix-store", "--dump", store + path], stdout=subprocess.PIPE, check=True).stdout
    lines += [path, hashlib.sha256(nar).hexdigest(), str(len(nar)), "", str(len(references)), *references]
subprocess.run(["nix-store", "--store", store, "--load-db"], input="\n".join(lines + [""]).encode(), check=True)
PYTHON
new_client
check "the closure is a valid one of Nix" nix-store --store "$tmp/a" --verify-path "$main" "$big" "$dep"
check "it can be signed" nix store sign --store "$tmp/a" --key-file "$tmp/key.secret" --recursive "$main"

same_store() { # STORE: the closure is there, valid, and the same as the original
    nix-store --store "$tmp/$1" --verify-path "$main" "$big" "$dep" || return 1
    test "$(nix-store --store "$tmp/$1" --query --requisites "$main" | sort)" = "$(printf '%s\n' "$dep" "$big" "$main" | sort)" || return 1
    for path in $dep $big $main; do
        diff -r --no-dereference "$tmp/a$path" "$tmp/$1$path" || return 1
        test "$(nix-store --dump "$tmp/a$path" | sha256sum)" = "$(nix-store --dump "$tmp/$1$path" | sha256sum)" || return 1
    done
}
drop() { chmod -R u+w "$tmp/$1" 2> /dev/null; rm -rf "${tmp:?}/$1"; }

for compression in none xz zstd gzip br bzip2; do
    start "cache-$compression"
    new_client
    check "$compression: nix copy --to" nix copy --from "$tmp/a" --to "$url?compression=$compression" "$main"
    check "$compression: it sent three NARs and three narinfos" test "$(requests 'PUT /nar/[^ ]* 204')/$(requests 'PUT /[^ /]*\.narinfo 204')" = 3/3
    : > "$tmp/daemon.log"
    new_client
    check "$compression: nix copy --to, once more" nix copy --from "$tmp/a" --to "$url?compression=$compression" "$main"
    check "$compression: it sent nothing" test "$(requests 'PUT')" = 0
    stop TERM
    start "cache-$compression"
    new_client
    check "$compression: nix copy --from, after a restart" nix copy --from "$url" --to "$tmp/b" "$main"
    check "$compression: the contents are the same" same_store b
    check "$compression: no request failed" not grep -qE ' 5[0-9][0-9] in |fail:|crit:' "$tmp/daemon.log"
    drop b
    stop TERM
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
stop TERM

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
    stop TERM
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
stop TERM

trust "$tmp/server.public"
start cache-none
new_client
check "without a trusted signature, nothing is substituted" not nix-store --store "$tmp/b" --option substituters "$url" --realise "$big"
drop b
stop TERM
start cache-none --http-key "$tmp/server.secret"
new_client
check "--http-key signs what is served" nix-store --store "$tmp/b" --option substituters "$url" --realise "$main"
check "the contents are the same" same_store b
drop b
stop TERM
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
stop TERM

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
stop TERM

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
stop TERM
start cache-built --store-dir "$NIX_STORE_DIR"
check "nix log, after a restart" log_is
drop own
new_client
substituted() { build addressed --option substituters "$url" 2>&1 | tee "$tmp/substituted" | tail -n 1 | grep -qx "$addressed" && ! grep -q "^building" "$tmp/substituted" && grep -qx addressed "$addressed"; }
check "Nix substitutes it instead of building it" substituted
check "by its realisation" test "$(requests 'GET /realisations/[^ ]* 200')" -ge 1
stop TERM

echo "$ok ok, $failed failed"
[ "$failed" = 0 ]
