#!/usr/bin/env bash
# Has tvix-store push from a store of Nix, and checks that keys and signatures mean the same to both.
#
#   scripts/push-from-nix.sh [--keep]
#
# A closure with references, a self-reference, executables, links and signatures is pushed from a store that Nix made, served by a daemon, and substituted from it into
# another store that wants signatures. Then pushes that must fail or that are interrupted.
#   --keep   keep the folder with the stores and logs, and tell where it is
#
# TVIX_STORE_BIN is the tool; the default is the release build. Needs nix-store and nix (2.8 or later), and python3.
# Prints a line for each check, and ends with 1 if any of them failed.
set -u
. "$(dirname "$0")/with-nix.sh"
says() { # PATTERN COMMAND…: the command, whatever it ends with, says something that matches
    local pattern=$1
    shift
    "$@" > "$tmp/said" 2>&1
    cat "$tmp/said"
    grep -qE "$pattern" "$tmp/said"
}
tvix() { "$tool" "$@"; }
push() { # STORE ARGUMENT…: pushes from the store of Nix
    local store=$1
    shift
    tvix push --nix-root "$tmp/a" --to "local:$tmp/$store" "$@"
}
start() { start_daemon "local:$tmp/$1"; } # STORE

# Keys.
check "key generate" sh -c '"$@" > "$0"' "$tmp/ours.public" "$tool" key generate ours-1 --output "$tmp/ours.secret"
check "only the owner can read it" test "$(stat -c %a "$tmp/ours.secret")" = 600
check "key generate does not overwrite a key" not tvix key generate ours-1 --output "$tmp/ours.secret"
same_public() { test "$(nix key convert-secret-to-public < "$1")" = "$(tvix key public "$1")"; }
check "Nix reads the key, and sees the same public key" same_public "$tmp/ours.secret"
check "the public key was printed" test "$(cat "$tmp/ours.public")" = "$(tvix key public "$tmp/ours.secret")"
tvix key generate printed-1 > "$tmp/printed.secret"
check "Nix reads a key that was printed" same_public "$tmp/printed.secret"
check "a key that others can read is warned of" says "^warning: " tvix key public "$tmp/printed.secret"
chmod 600 "$tmp/printed.secret"
nix key generate-secret --key-name theirs-1 > "$tmp/theirs.secret"
nix key convert-secret-to-public < "$tmp/theirs.secret" > "$tmp/theirs.public"
chmod 600 "$tmp/theirs.secret"
check "a key of nix key generate-secret" same_public "$tmp/theirs.secret"
nix-store --generate-binary-cache-key old-1 "$tmp/old.secret" "$tmp/old.public"
check "a key of nix-store --generate-binary-cache-key" test "$(tvix key public "$tmp/old.secret")" = "$(cat "$tmp/old.public")"

make_closure 60
check "so is the chain" nix-store --store "$tmp/a" --verify-path "$last"

# Without signatures, signed by the tool; and the same signed by Nix.
check "push" says "^3 store paths pushed, 0 already there" push unsigned "$main"
check "the target is sound" says "^The store is sound" tvix --store "local:$tmp/unsigned" verify
check "nothing in it is trusted" says "3 not trusted" tvix --store "local:$tmp/unsigned" key verify --trusted-public-keys "$(cat "$tmp/ours.public")" --all
check "push, once more, sends nothing" says "^0 store paths pushed, 3 already there; 0 B read" push unsigned "$main"
for key in ours theirs printed; do
    check "$key: key sign" says "^3 store paths signed, 0 already were" tvix --store "local:$tmp/unsigned" key sign --key-file "$tmp/$key.secret" --closure "$main"
    check "$key: nix store sign" nix store sign --store "$tmp/a" --key-file "$tmp/$key.secret" --recursive "$main"
done
check "key sign, once more, adds nothing" says '"signaturesAdded":0' tvix --store "local:$tmp/unsigned" key sign --key-file "$tmp/ours.secret" --all --json
check "push with signatures" says "^3 store paths pushed" push signed "$main"
same_signatures() { # of both, and of Nix itself
    for path in $dep $big $main; do
        for store in unsigned signed; do
            tvix --store "local:$tmp/$store" info --json "$path" | python3 -c 'import json, sys; print("\n".join(sorted(json.load(sys.stdin)["signatures"])))' > "$tmp/$store.sigs"
        done
        nix path-info --store "$tmp/a" --sigs "$path" | tr '\t ' '\n\n' | grep -- '-1:' | sort > "$tmp/nix.sigs"
        cat "$tmp/nix.sigs"
        test "$(wc -l < "$tmp/nix.sigs")" = 3 && cmp "$tmp/nix.sigs" "$tmp/unsigned.sigs" && cmp "$tmp/nix.sigs" "$tmp/signed.sigs" || return 1
    done
}
check "both made the same signatures" same_signatures
same_info() {
    for path in $dep $big $main; do
        tvix --store "local:$tmp/signed" info --json "$path" > "$tmp/info-$(basename "$path")" || return 1
        nix path-info --store "$tmp/a" --json "$path" > "$tmp/nix-$(basename "$path")" || return 1
        python3 -c '
import json, sys
ours, nix = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))[0]
for key in ("path", "narHash", "narSize", "references", "deriver"):
    a, b = nix.get(key), ours.get(key)
    if key == "narHash": a = b if a.split(":")[-1] == b.split(":")[-1] or a.startswith("sha256-") else a
    assert a == b, (key, a, b)' "$tmp/info-$(basename "$path")" "$tmp/nix-$(basename "$path")" || return 1
    done
}
check "path, NAR, references and deriver are those of Nix" same_info
for key in ours theirs; do
    check "$key: key verify" says "^3 store paths signed, 0 named by their contents, 0 not trusted" \
        tvix --store "local:$tmp/signed" key verify --check-contents --trusted-public-keys "$(cat "$tmp/$key.public")" --closure "$main"
done
check "key verify with another key" not tvix --store "local:$tmp/signed" key verify --trusted-public-keys "$(cat "$tmp/old.public")" "$main"
check "push --key-file" says "^0 store paths pushed, 3 already there" push signed --key-file "$tmp/old.secret" "$main"
check "key verify with that key" tvix --store "local:$tmp/signed" key verify --trusted-public-keys "$(cat "$tmp/old.public")" --closure "$main"

# Served, and substituted by a Nix that wants signatures.
same_store() { # STORE: the closure is there, valid, and the same as the original
    nix-store --store "$tmp/$1" --verify-path "$main" "$big" "$dep" || return 1
    test "$(nix-store --store "$tmp/$1" --query --requisites "$main" | sort)" = "$(printf '%s\n' "$dep" "$big" "$main" | sort)" || return 1
    for path in $dep $big $main; do
        diff -r --no-dereference "$tmp/a$path" "$tmp/$1$path" || return 1
        test "$(nix-store --dump "$tmp/a$path" | sha256sum)" = "$(nix-store --dump "$tmp/$1$path" | sha256sum)" || return 1
    done
}
start signed
for key in ours theirs; do
    trust "$tmp/$key.public"
    new_client
    check "$key: nix store verify of what is served" nix store verify --store "$url" --recursive "$main"
    check "$key: nix copy --from" nix copy --from "$url" --to "$tmp/b" "$main"
    check "the contents are the same" same_store b
    chmod -R u+w "$tmp/b"
    rm -rf "${tmp:?}/b"
done
stop
start unsigned
nix-store --generate-binary-cache-key ours-1 "$tmp/false.secret" "$tmp/false.public"
trust "$tmp/false.public"
new_client
check "without a trusted key, Nix takes nothing" not nix copy --from "$url" --to "$tmp/b" "$main"
stop
trust "$tmp/ours.public"

# Addressed by contents: one that Nix adds, and one that refers to itself.
added=$(nix-store --store "$tmp/a" --add "$0")
flat=$(nix-store --store "$tmp/a" --add-fixed sha256 "$0")
rewritten=$(nix store make-content-addressed --store "$tmp/a" --json "$main" 2> /dev/null | python3 -c 'import json, sys; print(json.load(sys.stdin)["rewrites"][sys.argv[1]])' "$main")
check "push of what is addressed by contents" says "^5 store paths pushed" push contents "$added" "$flat" "$rewritten"
check "key verify needs no signature for it" says "^0 store paths signed, 5 named by their contents, 0 not trusted" \
    tvix --store "local:$tmp/contents" key verify --check-contents --trusted-public-keys "$(cat "$tmp/ours.public")" --all
start contents
new_client
check "nix copy --from needs none either" nix copy --from "$url" --to "$tmp/b" "$rewritten" "$added" "$flat"
check "it is valid there" nix-store --store "$tmp/b" --verify-path "$rewritten" "$added" "$flat"
stop

# What leads to a store path; a root elsewhere.
ln -s "$main" "$tmp/result"
check "push ./result" says "^3 store paths pushed" push links "$tmp/result"
check "--nix-state-dir and --nix-store-dir" says "^0 store paths pushed, 3 already there" \
    tvix push "$main" --nix-state-dir "$tmp/a/nix/var/nix" --nix-store-dir "$tmp/a/nix/store" --to "local:$tmp/links"
start_grpc() {
    "$tool" --store "local:$tmp/remote" daemon --listen "$tmp/socket" 2> "$tmp/daemon.log" &
    running[daemon]=$!
    for _ in $(seq 600); do [ -S "$tmp/socket" ] && break; sleep 0.1; done
}
start_grpc
check "push to a daemon" says "^3 store paths pushed" tvix push "$main" --nix-root "$tmp/a" --to "grpc+unix:$tmp/socket"
stop
check "what it has is sound" says "^The store is sound" tvix --store "local:$tmp/remote" verify
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$tmp/nobody")
chmod 755 "$tmp"
check "push to a folder that is a binary cache" says "^3 store paths pushed" tvix push "$main" --nix-root "$tmp/a" --to "file:$tmp/folder"
new_client
check "Nix substitutes from it" nix copy --from "file://$tmp/folder" --to "$tmp/c" "$main"
same_contents() { for path in $dep $big $main; do diff -r --no-dereference "$tmp/a$path" "$tmp/c$path" || return 1; done; }
check "the contents are the same" same_contents
if [ "$(id -u)" = 0 ] && "${as_nobody[@]}" "$tool" --version > /dev/null 2>&1; then # where the tool is, others may have no access
    rm -f "$tmp"/a/nix/var/nix/db/db.sqlite-{wal,shm}
    mkdir "$tmp/nobody"
    chmod 777 "$tmp/nobody"
    nobody() { "${as_nobody[@]}" "$tool" push "$main" --nix-root "$tmp/a" --to "local:$tmp/nobody/$1"; }
    check "push by a user who may only read" says "^3 store paths pushed" nobody quiet
    # As a daemon of Nix that has the database open, and has just written.
    python3 -c '
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1])
db.execute("update ValidPaths set registrationTime = registrationTime + 1")
db.commit()
print("ready", flush=True)
time.sleep(60)' "$tmp/a/nix/var/nix/db/db.sqlite" > "$tmp/writer" &
    writer=$!
    for _ in $(seq 100); do [ -s "$tmp/writer" ] && break; sleep 0.1; done
    check "push by such a user while Nix writes" says "^3 store paths pushed" nobody busy
    kill "$writer"
    wait "$writer" 2> /dev/null
fi

# What is not as Nix registered it.
chmod u+w "$tmp/a$dep/share/many" "$tmp/a$dep/share/many/1"
cp -p "$tmp/a$dep/share/many/1" "$tmp/kept"
printf x >> "$tmp/a$dep/share/many/1"
check "a file changed on disk is refused" says "$dep.* is not what Nix has registered" push changed "$main"
check "the exit code is 1" sh -c '"$@"; test $? = 1' sh "$tool" push --nix-root "$tmp/a" --to "local:$tmp/changed" "$main"
check "no path info is there without its references" test -z "$(tvix --store "local:$tmp/changed" list)"
cp -p "$tmp/kept" "$tmp/a$dep/share/many/1"
check "after it was mended, it is pushed" says "^3 store paths pushed" push changed "$main"
check "there is no database" says "no database of Nix at" tvix push --all --nix-root "$tmp/nowhere" --to "local:$tmp/changed"
cp -r "$tmp/a/nix/var" "$tmp/other-var"
printf 9 > "$tmp/other-var/nix/db/schema"
check "another schema" says "schema '9'" tvix push --all --nix-state-dir "$tmp/other-var/nix" --nix-store-dir "$tmp/a/nix/store" --to "local:$tmp/changed"

# Killed in the middle of the chain.
chain=$(nix-store --store "$tmp/a" --query --requisites "$last" | wc -l)
killed=
for try in 1 2 3 4 5; do
    rm -rf "$tmp/killed"
    "$tool" push --nix-root "$tmp/a" --to "local:$tmp/killed" "$last" > "$tmp/push.log" 2>&1 &
    running[pusher]=$!
    until [ "$(du -sm "$tmp/killed" 2> /dev/null | cut -f 1)" -gt $((60 + try * 20)) ] 2> /dev/null || ! kill -0 "${running[pusher]}" 2> /dev/null; do sleep 0.01; done
    end pusher KILL
    there=$(tvix --store "local:$tmp/killed" list | wc -l)
    if [ "$there" -gt 0 ] && [ "$there" -lt "$chain" ]; then killed=1; break; fi
done
check "a push of $chain paths was killed when $there were there" test -n "$killed"
check "what is there is sound" says "^The store is sound" tvix --store "local:$tmp/killed" verify
check "all references of what is there are there" tvix --store "local:$tmp/killed" key sign --key-file "$tmp/ours.secret" --closure $(tvix --store "local:$tmp/killed" list)
check "push goes on" says "^$((chain - there)) store paths pushed, $there already there" push killed "$last"
check "all of it is sound" says "^The store is sound" tvix --store "local:$tmp/killed" verify
check "push --all" says "^8 store paths pushed, $chain already there" push killed --all

summary
