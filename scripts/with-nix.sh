# For scripts that try the tool together with Nix: sourced, not run, with the arguments of the script; `needs` has the programs that it needs besides.
# The script ends with `summary`. $tmp is a folder of its own, in which Nix is alone; the option --keep keeps it, and tells where it is.
# TVIX_STORE_BIN is the tool; the default is the release build.

umask 022
export LC_ALL=C
keep=
case ${1:-} in
    --keep) keep=1 ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    "") ;;
    *) echo "error: unknown option $1" >&2; exit 2 ;;
esac
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tool=${TVIX_STORE_BIN:-$root/artifacts/bin/Tvix.Store.Cli/release/tvix-store}
[ -x "$tool" ] || { echo "error: build it first: dotnet build Tvix.Store.Cli -c Release" >&2; exit 2; }
for needed in nix nix-store python3 diff ${needs:-}; do
    command -v "$needed" > /dev/null || { echo "error: $needed is not installed" >&2; exit 2; }
done

tmp=$(mktemp -d "${TMPDIR:-/tmp}/with-nix.XXXXXX")
declare -A running=() # what is killed in the end
cleanup() {
    local name
    for name in "${!running[@]}"; do end "$name" KILL; done
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
summary() { echo "$ok ok, $failed failed"; [ "$failed" = 0 ]; }

run() { # NAME COMMAND…: runs something that writes its port, or ports, to $tmp/NAME.port
    local name=$1
    shift
    rm -f "$tmp/$name.port"
    "$@" &
    running[$name]=$!
    for _ in $(seq 600); do
        [ -s "$tmp/$name.port" ] && return
        kill -0 "${running[$name]}" 2> /dev/null || break
        sleep 0.1
    done
    echo "error: $name did not start" >&2
    cat "$tmp/$name.log" >&2
    exit 2
}
end() { # NAME SIGNAL
    kill "-$2" "${running[$1]}" 2> /dev/null
    wait "${running[$1]}" 2> /dev/null
    unset "running[$1]"
}
start_daemon() { # STORE OPTION…: the tool as a binary cache; $url is where it is
    local store=$1
    shift
    run daemon "$tool" --store "$store" daemon --http 127.0.0.1:0 --port-file "$tmp/daemon.port" "$@" 2> "$tmp/daemon.log"
    url=http://127.0.0.1:$(head -n 1 "$tmp/daemon.port")
}
stop() { end daemon "${1:-TERM}"; }
requests() { grep -cE "$1" "$tmp/daemon.log"; } # PATTERN: how many requests the daemon has logged that match

# Nix. Each client remembers what caches told it, so each call may be that of a new one.
export NIX_STATE_DIR=$tmp/state NIX_CONF_DIR=$tmp/conf HOME=$tmp/home
unset NIX_PATH NIX_REMOTE NIX_CONFIG TVIX_STORE
mkdir -p "$NIX_STATE_DIR" "$NIX_CONF_DIR" "$HOME"
client=0
new_client() { client=$((client + 1)); export XDG_CACHE_HOME=$tmp/cache-$client; }
new_client
trust() { # FILE…: the public keys that Nix trusts
    cat > "$NIX_CONF_DIR/nix.conf" << CONF
experimental-features = nix-command ca-derivations
build-users-group =
substitute = true
require-sigs = true
trusted-public-keys = $(cat "$@" | tr '\n' ' ')
download-attempts = 1
netrc-file = $tmp/netrc
CONF
}
: > "$tmp/none"
trust "$tmp/none"

# A closure in the store $tmp/a, as if it had been built: the paths say nothing about the contents. There are references, a self-reference, executables, links, many small files
# and one of 30 MB. And, if wanted, a chain of paths of 6 MB, each of which refers to the one before.
dep=/nix/store/1b9p07z77phvv2hf6gm9f28syp39f1ag-dep
big=/nix/store/2b9p07z77phvv2hf6gm9f28syp39f1ag-big
main=/nix/store/3b9p07z77phvv2hf6gm9f28syp39f1ag-main-1.0
last=/nix/store/4b9p07z77phvv2hf6gm9f28syp39f159-chain
make_closure() { # [LENGTH]: of the chain; 60, if any
    python3 - "$tmp/a" "$dep" "$big" "$main" "$last" "${1:-0}" << 'PYTHON' || exit 2
import hashlib, os, random, subprocess, sys
store, dep, big, main, last, length = sys.argv[1:]
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
paths = [(dep, []), (big, [dep]), (main, [dep, big, main])]
before = []
for i in range(int(length)):
    path = last.replace("f159-", "f1%02d-" % i)
    put(path, random.randbytes(6 << 20))
    paths.append((path, before))
    before = [path]
lines = []
for path, references in paths:
    for folder, _, names in os.walk(store + path, topdown=False):
        for name in names:
            os.utime(os.path.join(folder, name), (1, 1), follow_symlinks=False)
        os.chmod(folder, 0o555)
        os.utime(folder, (1, 1))
    nar = subprocess.run(["nix-store", "--dump", store + path], stdout=subprocess.PIPE, check=True).stdout
    deriver = dep.replace("1b9p", "9b9p") + ".drv" if path == dep else ""
    lines += [path, hashlib.sha256(nar).hexdigest(), str(len(nar)), deriver, str(len(references)), *references]
subprocess.run(["nix-store", "--store", store, "--load-db"], input="\n".join(lines + [""]).encode(), check=True)
PYTHON
    check "the closure is a valid one of Nix" nix-store --store "$tmp/a" --verify-path "$main" "$big" "$dep"
}
make_signed_closure() { # by $tmp/key.secret; $tmp/key.public is trusted
    nix-store --generate-binary-cache-key test-1 "$tmp/key.secret" "$tmp/key.public" || exit 2
    trust "$tmp/key.public"
    make_closure
    check "it can be signed" nix store sign --store "$tmp/a" --key-file "$tmp/key.secret" --recursive "$main"
}
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
