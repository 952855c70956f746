"""Downloads NARs from the daemons and from nginx in turns, and prints tables.   usage: measure.py WORK ROUNDS"""

import os
import re
import statistics
import subprocess
import sys
import time
import urllib.request

work, rounds = sys.argv[1], int(sys.argv[2])
TICKS = os.sysconf("SC_CLK_TCK")


def lines(name):
    with open(os.path.join(work, name)) as file:
        return [line.split() for line in file]


servers = {name: (int(pid), f"http://127.0.0.1:{port}/") for name, pid, port in lines("servers")}
trees = lines("trees")


def processes(pid):
    """The process and its children, which do nginx's work."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [pid, *map(int, file.read().split())]


def processor_time(name):
    total = 0
    for pid in processes(servers[name][0]):
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def peak(name, restart=False):
    pid = servers[name][0]
    if restart:
        with open(f"/proc/{pid}/clear_refs", "w") as file:
            file.write("5")
        return 0
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) / 1024


def curl(url, compressed):
    headers = ["-H", "Accept-Encoding: zstd"] if compressed else []
    return subprocess.Popen(["curl", "-sSf", "-o", "/dev/null", "-w", "%{size_download} %header{content-encoding}\n", *headers, url], stdout=subprocess.PIPE, text=True)


def nar_urls(name):
    base = servers[name][1]
    urls = {}
    for tree, path in trees:
        if name == "nginx":
            urls[tree] = base + tree + ".nar"
            continue
        with urllib.request.urlopen(base + path.split("-")[0] + ".narinfo") as answer:
            urls[tree] = base + re.search(r"URL: (\S+)", answer.read().decode())[1]
    return urls


urls = {name: nar_urls(name) for name in servers}
sizes = {tree: os.path.getsize(os.path.join(work, "www", tree + ".nar")) for tree, _ in trees}


def get(name, tree, compressed, clients):
    """Seconds, seconds of processor time, and bytes on the wire of one client."""
    url = urls[name][tree]
    if name == "nginx" and compressed:
        url += ".zst"
    cpu, start = processor_time(name), time.monotonic()
    running = [curl(url, compressed and name != "nginx") for _ in range(clients)]
    answers = [process.communicate()[0].split() for process in running]
    seconds = time.monotonic() - start
    if any(process.returncode for process in running):
        sys.exit(f"curl failed: {url}")
    if compressed and name != "nginx" and answers[0][1:] != ["zstd"]:
        return None
    return seconds, processor_time(name) - cpu, int(answers[0][0])


ROWS = [("nginx", False), ("none", False), ("zstd", False), ("nginx", True), ("none", True), ("zstd", True)]
results = {}
for _ in range(rounds):
    for tree, _ in trees:
        for clients in (1, 4):
            for name, compressed in ROWS:
                results.setdefault((tree, clients, name, compressed), []).append(get(name, tree, compressed, clients))

NAMES = {"nginx": "nginx", "none": "daemon, `local:` uncompressed", "zstd": "daemon, `local:` with zstd"}
print("GB/s of NAR, of all connections together (ratio to nginx with the same row's encoding; the server's seconds of processor time per GB; MB on the wire)\n")
print("| NAR | server | sent as | one connection | four |\n|---|---|---|---|---|")
for tree, _ in trees:
    for name, compressed in ROWS:
        cells = []
        for clients in (1, 4):
            runs = results[tree, clients, name, compressed]
            if runs[0] is None:
                continue
            total = sizes[tree] * clients / 1e9
            rate = statistics.median(total / seconds for seconds, _, _ in runs)
            base = statistics.median(total / seconds for seconds, _, _ in results[tree, clients, "nginx", compressed])
            cpu = statistics.median(cpu / total for _, cpu, _ in runs)
            cells.append(f"{rate:.2f} ({rate / base:.2f}; {cpu:.2f}; {runs[0][2] / 1e6:.0f})")
        if cells:
            label = "the random file" if tree == "random" else f"`{tree}`"
            print(f"| {label}, {sizes[tree] / 1e6:.0f} MB | {NAMES[name]} | {'zstd' if compressed else 'it is'} | " + " | ".join(cells) + " |")

print("\nTen clients at once, each of which gets all NARs:\n\n| server | sent as | GB/s of NAR | peak memory of the daemon, MB (before) |\n|---|---|---|---|")
for name, compressed in [row for row in ROWS if row[0] != "nginx"]:
    everything = [urls[name][tree] for tree, _ in trees]
    if results[trees[0][0], 1, name, compressed][0] is None:
        continue
    before = peak(name)
    peak(name, restart=True)
    start = time.monotonic()
    headers = ["-H", "Accept-Encoding: zstd"] if compressed else []
    outputs = [argument for _ in everything for argument in ("-o", "/dev/null")]
    running = [subprocess.Popen(["curl", "-sSf", *headers, *outputs, *everything]) for _ in range(10)]
    if any([process.wait() for process in running]):
        sys.exit("curl failed")
    rate = 10 * sum(sizes.values()) / 1e9 / (time.monotonic() - start)
    print(f"| {NAMES[name]} | {'zstd' if compressed else 'it is'} | {rate:.2f} | {peak(name):.0f} ({before:.0f}) |")
