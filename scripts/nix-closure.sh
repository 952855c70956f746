# For scripts that try Nix: sourced, not run. Needs $tmp, a folder of the script's own.
# Nix is alone in the folder afterwards. $dep, $big and $main are a closure in the store $tmp/a, as if it had been built: the paths say nothing about the contents.
# There are references, a self-reference, executables, links, many small files and one of 30 MB. $tmp/key.secret has signed it, $tmp/key.public is trusted.

export NIX_STATE_DIR=$tmp/state NIX_CONF_DIR=$tmp/conf HOME=$tmp/home
unset NIX_PATH NIX_REMOTE NIX_CONFIG
mkdir -p "$NIX_STATE_DIR" "$NIX_CONF_DIR" "$HOME"

# Each client remembers what caches told it, so each call may be that of a new one.
client=0
new_client() { client=$((client + 1)); export XDG_CACHE_HOME=$tmp/cache-$client; }

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

nix-store --generate-binary-cache-key test-1 "$tmp/key.secret" "$tmp/key.public" || exit 2
trust "$tmp/key.public"
dep=/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-dep
big=/nix/store/2b9p07z77phvv2hf6gm9f28syp39f1ag-big
main=/nix/store/3b9p07z77phvv2hf6gm9f28syp39f1ag-main-1.0
python3 - "$tmp/a" "$dep" "$big" "$main" << 'PYTHON' || exit 2
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
nix store sign --store "$tmp/a" --key-file "$tmp/key.secret" --recursive "$main" || exit 2

same_store() { # STORE: the closure is there, valid, and the same as the original
    nix-store --store "$tmp/$1" --verify-path "$main" "$big" "$dep" || return 1
    test "$(nix-store --store "$tmp/$1" --query --requisites "$main" | sort)" = "$(printf '%s\n' "$dep" "$big" "$main" | sort)" || return 1
    for path in $dep $big $main; do
        diff -r --no-dereference "$tmp/a$path" "$tmp/$1$path" || return 1
        test "$(nix-store --dump "$tmp/a$path" | sha256sum)" = "$(nix-store --dump "$tmp/$1$path" | sha256sum)" || return 1
    done
}
drop() { chmod -R u+w "$tmp/$1" 2> /dev/null; rm -rf "${tmp:?}/$1"; }
hash_of() { basename "$1" | cut -c1-32; }
