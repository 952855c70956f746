"""See peers.sh."""
import os
import re
import shutil
import signal
import stat
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = int(os.environ.get("RUNS", "3"))
SLOW = float(os.environ.get("SLOW", "10"))
LIMIT = float(os.environ.get("LIMIT", "300"))
WORKS = re.compile(os.environ.get("WORKS", ""))
PROGRAMS = {"nix": "nix-store", "borg": "borg", "restic": "restic", "casync": "casync", "ostree": "ostree", "git": "git", "b3sum": "b3sum"}
OURS = "tvix-store"


class Side:
    """One tool in a row: what is run, what comes before each run and before the first, outside the clock."""

    def __init__(self, name, command, prepare=":", once=":", store=None, leave=":"):
        self.name, self.command, self.prepare, self.once, self.store, self.leave = name, command, prepare, once, store, leave


class Run:
    def __init__(self, wall, cpu, peak, added):
        self.wall, self.cpu, self.peak, self.added = wall, cpu, peak, added


class Failure(Exception):
    pass


def complain(text):
    print(text, file=sys.stderr, flush=True)


def shell(command):
    """Runs a command outside the clock."""
    done = subprocess.run(["bash", "-c", command], cwd=W, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Failure("preparing: " + last_line(done.stdout))
    return done.stdout.decode(errors="replace")


def last_line(output):
    return (output.decode(errors="replace").strip().splitlines() or ["no word"])[-1]


def wipe(*names):
    paths = " ".join(f"{W}/{name}" for name in names)
    return f"find {paths} -type d -exec chmod u+w {{}} + 2> /dev/null; rm -rf {paths}"  # the mode of a file would change for all its names


def size_of(path):
    total = 0
    for folder, _, files in os.walk(path):
        for file in files:
            status = os.lstat(os.path.join(folder, file))
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def touch_memory(size):
    path = os.path.join(W, "touched")
    block = bytes(1 << 20)
    with open(path, "wb", buffering=0) as file:
        for _ in range((size >> 20) + 256):
            file.write(block)
    os.unlink(path)


def warm(*paths):
    for path in paths:
        subprocess.run(f"find '{path}' -type f -print0 2> /dev/null | xargs -0 -r cat > /dev/null", shell=True, check=False)


def measure(side, inputs, input_size):
    shell(side.prepare)
    touch_memory(input_size)
    warm(*inputs, *([side.store] if side.store else []))
    before = size_of(side.store) if side.store else 0
    with open(os.path.join(W, "log"), "w+b") as log:
        begin = time.monotonic()
        process = subprocess.Popen(
            ["bash", "-c", side.command], cwd=W, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        signal.setitimer(signal.ITIMER_REAL, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            log.seek(0)
            raise Failure(f"after {LIMIT:.0f} s" if wall >= LIMIT else f"code {process.returncode}: {last_line(log.read())}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000, size_of(side.store) - before if side.store else None)


class Table:
    def __init__(self, name, inputs):
        self.name, self.inputs = name, inputs
        self.input_size = sum(size_of(path) for path in inputs)
        self.rows = []

    def row(self, name, ours, peers=(), divide=1):
        """Runs ours and each peer by turns. DIVIDE: how often a command does what the row tells of."""
        if not WORKS.search(name):
            return
        complain(f"{time.strftime('%H:%M:%S')} {self.name}: {name}")
        peers = [peer for peer in peers if peer.name.split()[0].split("-")[0] in PEERS]
        mine, theirs, ratios = [], {}, {}
        try:
            shell(ours.once)
            for peer in peers:
                theirs[peer.name], ratios[peer.name] = [], []
                self.pairs(name, ours, peer, mine, theirs[peer.name], ratios[peer.name])
            if not peers:
                mine = [measure(ours, self.inputs, self.input_size) for _ in range(RUNS)]
        except Failure as failure:
            complain(f"{self.name}, {name}, {OURS}: {failure}")
            mine, theirs, ratios = [], {}, {}
        finally:
            subprocess.run(["bash", "-c", ours.leave], cwd=W, check=False)
        for tool, some in [(OURS, mine), *theirs.items()]:
            for run in some:
                RESULTS.write(f"{self.name}\t{name}\t{tool}\t{run.wall:.4f}\t{run.cpu:.4f}\t{run.peak:.1f}\t{'' if run.added is None else run.added}\n")
        RESULTS.flush()
        self.rows.append(format_row(name, mine, theirs, ratios, divide))

    def pairs(self, name, ours, peer, mine, theirs, ratios):
        try:
            try:
                shell(peer.once)
            except Failure as failure:
                complain(f"{self.name}, {name}, {peer.name}: {failure}")
                return
            for _ in range(RUNS):
                own = measure(ours, self.inputs, self.input_size)
                mine.append(own)
                try:
                    other = measure(peer, self.inputs, self.input_size)
                except Failure as failure:
                    complain(f"{self.name}, {name}, {peer.name}: {failure}")
                    theirs.clear()
                    return
                theirs.append(other)
                ratios.append(own.wall / other.wall)
                if other.wall > SLOW:
                    return
        finally:
            subprocess.run(["bash", "-c", peer.leave], cwd=W, check=False)

    def print(self):
        if self.rows:
            print(f"\n#### {self.name}\n")
            print("| work | tvix-store s (CPU) | peak MB | stored MB | fastest peer | its s (CPU) | peak MB | stored MB | ratio | other peers: s (stored MB) |")
            print("|---|---|---|---|---|---|---|---|---|---|")
            print("\n".join(self.rows), flush=True)


def median(runs, key):
    values = [value for value in map(key, runs) if value is not None]
    return statistics.median(values) if values else None


def seconds(value):
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def megabytes(value):
    return "" if value is None else f"{value / 1e6:,.1f}" if value < 1e8 else f"{value / 1e6:,.0f}"


def cells(runs, divide):
    if not runs:
        return ["–", "", ""]
    return [
        f"{seconds(median(runs, lambda run: run.wall) / divide)} ({seconds(median(runs, lambda run: run.cpu) / divide)})",
        f"{max(run.peak for run in runs):.0f}",
        megabytes(median(runs, lambda run: run.added)),
    ]


def format_row(name, mine, theirs, ratios, divide):
    ranked = sorted((peer for peer in theirs if theirs[peer]), key=lambda peer: median(theirs[peer], lambda run: run.wall))
    fastest = ranked[0] if ranked else None
    others = []
    for peer in ranked[1:] + [peer for peer in theirs if not theirs[peer]]:
        time_of, _, stored = cells(theirs[peer], divide)
        others.append(f"{peer} {time_of.split()[0]}" + (f" ({stored})" if stored else ""))
    return "| " + " | ".join([
        name, *cells(mine, divide), fastest or "", *(cells(theirs[fastest], divide) if fastest else ["", "", ""]),
        f"{statistics.median(ratios[fastest]):.2f}" if fastest and ratios[fastest] else "", ", ".join(others),
    ]) + " |"


# ---- the tools: how each makes an empty store, and stores a tree in it ----

def address(name, parameters="compression=none"):
    return f"local:{W}/{name}?{parameters}"


def ours(where, arguments, **more):
    return Side(OURS, f"exec {TOOL} --store '{where}' {arguments}", **more)


def new_store(name):
    """Makes an empty store; its name is that of the peer, maybe with how it compresses."""
    path = f"{W}/{name}"
    return wipe(name) + "; " + {
        "nix": ":",
        "borg": f"rm -rf {W}/borg-home; borg init -e none {path}",
        "restic": f"restic --no-cache -q -r {path} init --repository-version 2",
        "casync": ":",
        "ostree": f"ostree --repo={path} init --mode=bare-user && ostree --repo={path} config set core.min-free-space-percent 0",
        "git": f"git init -q --bare {path} && git --git-dir={path} config gc.auto 0",
    }[name.split("-")[0]]


def add(name, tree):
    """Stores a tree, reading everything."""
    path = f"{W}/{name}"
    return {
        "nix": f"exec nix-store --store {path} --add {tree}",
        "borg": f"exec borg create --compression none --files-cache disabled {path}::$RANDOM$RANDOM {tree}",
        "borg-zstd": f"exec borg create --compression zstd,1 --files-cache disabled {path}::$RANDOM$RANDOM {tree}",
        "restic": f"exec restic --no-cache -q -r {path} --compression off backup --force {tree}",
        "restic-zstd": f"exec restic --no-cache -q -r {path} --compression auto backup --force {tree}",
        "casync": f"exec casync make --with=unix --store={path} {W}/index.caidx {tree}",
        "ostree": f"exec ostree --repo={path} commit -b x --no-xattrs --owner-uid=0 --owner-gid=0 --tree=dir={tree}",
        "git": f"export GIT_INDEX_FILE={W}/git-index; rm -f $GIT_INDEX_FILE; g='git -c core.compression=0 -c core.safecrlf=false --git-dir={path}'; "
               f"$g --work-tree={tree} add -A -f . && $g write-tree",
    }[name]


def storing(name, tree):
    """A peer that stores a tree in an empty store."""
    return Side(name, add(name, tree), prepare=new_store(name), store=f"{W}/{name}", leave=wipe(name))


def storing_again(name, tree, command=None, once=":"):
    """A peer that stores a tree which it has already."""
    return Side(name, command or add(name, tree), once=f"{new_store(name)} && ({add(name, tree)}) && {once}", store=f"{W}/{name}", leave=wipe(name))


def storing_beside(name, tree, second):
    """A peer that stores another version of a tree."""
    return Side(
        name, add(name, second), once=f"{new_store(name)} && ({add(name, tree)}) && {wipe(name + '-first')}; mv {W}/{name} {W}/{name}-first",
        prepare=f"{wipe(name)}; cp -a {W}/{name}-first {W}/{name}", store=f"{W}/{name}", leave=wipe(name, name + "-first"))


def offers(command, option):
    return option in subprocess.run([TOOL, command, "--help"], stdout=subprocess.PIPE, check=False).stdout.decode()


# ---- the rows ----

def measure_tree(tree):
    table = Table(os.path.basename(tree), [tree])
    none, zstd = address("tvix"), address("tvix-zstd", "compression=zstd")
    store = {"store": f"{W}/tvix"}
    anew = wipe("tvix")
    imported = f"{anew}; {TOOL} --store '{none}' import {tree}"

    table.row(
        "import, with NAR hash", ours(none, f"import {tree}", prepare=anew, **store),
        [storing(name, tree) for name in ("nix", "git", "ostree", "borg", "restic")])
    table.row(
        "import, without NAR hash", ours(none, f"ingest {tree}", prepare=anew, **store),
        [Side("b3sum (hashes only)", f"find {tree} -type f -print0 | xargs -0 b3sum --num-threads 1")])
    table.row(
        "import, zstd", ours(zstd, f"import {tree}", prepare=wipe("tvix-zstd"), store=f"{W}/tvix-zstd", leave=wipe("tvix-zstd")),
        [storing(name, tree) for name in ("borg-zstd", "restic-zstd", "casync")])
    table.row(
        "import again, nothing changed", ours(none, f"import {tree}", once=imported, **store),
        [storing_again(name, tree) for name in ("nix", "git", "ostree", "borg", "restic", "casync")])
    if offers("import", "--change-cache-file"):
        cached = f"import --change-cache-file {W}/changes {tree}"
        borg = f"borg create --compression none --files-cache ctime,size,inode {W}/borg::$RANDOM$RANDOM {tree}"
        table.row(
            "import again, with the change cache",
            ours(none, cached, once=f"{wipe('tvix')}; rm -f {W}/changes*; run=\"{TOOL} --store {none} {cached}\"; $run && $run", **store),
            [
                storing_again("borg", tree, f"exec {borg}", once=borg),
                storing_again("restic", tree, f"exec restic --no-cache -q -r {W}/restic --compression off backup {tree}"),
            ])

    path = shell(f"[ -d {W}/tvix/packs ] || {TOOL} --store '{none}' import {tree} > /dev/null; {TOOL} --store '{none}' import {tree}").strip()
    table.inputs.append(f"{W}/tvix")
    table.row("render NAR", ours(none, f"nar {path}"), [Side("nix", f"exec nix-store --dump {tree}")])
    table.row("render NAR, and SHA-256", ours(none, f"nar --hash {path}"), [Side("nix", f"exec nix-hash --type sha256 --base32 {tree}")])
    table.row("NAR of a tree on disk", Side(OURS, f"exec {TOOL} nar {tree}"), [Side("nix", f"exec nix-store --dump {tree}")])
    to_disk = {"prepare": wipe("out"), "leave": wipe("out")}
    checkout = f"exec ostree --repo={W}/ostree checkout -U"
    table.row("export", ours(none, f"export {path} {W}/out", **to_disk), [
        Side(
            "nix", f"exec nix-store --restore {W}/theirs < {W}/tree.nar", once=f"{TOOL} nar {tree} > {W}/tree.nar", prepare=f"{wipe('theirs')}; cat {W}/tree.nar > /dev/null",
            leave=wipe("theirs", "tree.nar")),
        Side("ostree", f"{checkout} --force-copy x {W}/theirs", once=f"{new_store('ostree')} && ({add('ostree', tree)})", prepare=wipe("theirs"), leave=wipe("theirs", "ostree")),
    ])
    if offers("export", "--link-folder"):
        links = f"--link-folder {W}/links"
        table.row(
            "export with hard links",
            ours(none, f"export {links} {path} {W}/out", once=f"{wipe('links', 'out')}; {TOOL} --store '{none}' export {links} {path} {W}/out",
                 prepare=wipe("out"), leave=wipe("out", "links")),
            [Side("ostree", f"{checkout} x {W}/theirs", once=f"{new_store('ostree')} && ({add('ostree', tree)})", prepare=wipe("theirs"), leave=wipe("theirs", "ostree"))])
    shell(wipe("tvix", "cache"))
    table.print()


def measure_versions(first, second):
    """The second version of a large file beside the first, with chunks of several sizes."""
    table = Table(f"{os.path.basename(second)} beside {os.path.basename(first)}", [second])
    for row, parameters, peers in (
            ("second version", "", ["restic", "borg", "casync"]), ("... chunks of 64 KiB", "&chunk-size=65536", []),
            ("... chunks of 32 KiB", "&chunk-size=32768", []), ("... chunks of 16 KiB", "&chunk-size=16384", [])):
        store = address("tvix", "compression=none" + parameters)
        side = ours(
            store, f"import {second}", once=f"{wipe('tvix', 'tvix-first')}; {TOOL} --store '{store}' import {first} && mv {W}/tvix {W}/tvix-first",
            prepare=f"{wipe('tvix')}; cp -a {W}/tvix-first {W}/tvix", store=f"{W}/tvix", leave=wipe("tvix", "tvix-first"))
        table.row(row, side, [storing_beside(peer, first, second) for peer in peers])
    table.print()


def measure_start():
    table = Table("start", [])
    times = 20
    table.row(
        "--version", Side(OURS, f"for i in {{1..{times}}}; do {TOOL} --version; done"),
        [Side("nix", f"for i in {{1..{times}}}; do nix --version; done")], divide=times)
    table.print()


def main():
    trees = [os.path.realpath(tree) for tree in sys.argv[1:]]
    for tree in trees:
        if not os.path.isdir(tree) or not re.fullmatch(r"[\w/.+-]+", tree):
            sys.exit(f"'{tree}' is no folder, or its name would need quotes.")
        files = sum(not os.path.islink(os.path.join(folder, file)) for folder, _, files in os.walk(tree) for file in files)
        print(f"{os.path.basename(tree)}: {files:,} files, {size_of(tree):,} bytes", flush=True)
    measure_start()
    for tree in trees:
        measure_tree(tree)
        second = os.path.join(os.path.dirname(tree), "v2")
        if os.path.basename(tree) == "v1" and os.path.isdir(second):
            measure_versions(tree, second)


if len(sys.argv) < 2:
    sys.exit("usage: peers.sh TREE…")
TOOL = shutil.which(os.environ.get("TVIX_STORE_BIN", "tvix-store")) or sys.exit("There is no tvix-store; set TVIX_STORE_BIN.")
TOOL = os.path.realpath(TOOL)
PEERS = set()
for wanted in os.environ.get("PEERS", " ".join(PROGRAMS)).split():
    if shutil.which(PROGRAMS.get(wanted, wanted)):
        PEERS.add(wanted)
    else:
        complain(f"{wanted} is not installed: left out")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
W = tempfile.mkdtemp(prefix="tvix-peers.", dir=os.environ.get("WORK", "/dev/shm"))
os.environ.update(
    LC_ALL="C", HOME=f"{W}/home", XDG_CACHE_HOME=f"{W}/cache", XDG_CONFIG_HOME=f"{W}/config", XDG_DATA_HOME=f"{W}/data", BORG_BASE_DIR=f"{W}/borg-home",
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes", BORG_RELOCATED_REPO_ACCESS_IS_OK="yes", RESTIC_PASSWORD="peers", GIT_CONFIG_NOSYSTEM="1",
    NIX_CONFIG="extra-experimental-features = nix-command")
os.mkdir(f"{W}/home")
RESULTS = open(os.environ.get("RESULTS", os.devnull), "w", encoding="utf-8")
try:
    main()
finally:
    subprocess.run(["bash", "-c", f"chmod -R u+w {W} 2> /dev/null; rm -rf {W}"], check=False)
