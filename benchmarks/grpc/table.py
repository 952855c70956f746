"""Makes tables of what the clients printed.   usage: table.py RESULTS SMALL LARGE"""

import os
import statistics
import sys

folder, small, large = sys.argv[1], sys.argv[2], sys.argv[3]
PAIRS = [
    ("ours-bare", "ours, bare server"), ("js-js", "grpc-js, bare server"), ("python-python", "grpcio, bare server"),
    ("ours-memory", "ours, daemon with `memory:`"), ("ours-local", "ours, daemon with `local:`"),
    ("js-bare", "grpc-js client, our bare server"), ("python-bare", "grpcio client, our bare server"),
    ("ours-js", "our client, grpc-js server"), ("ours-python", "our client, grpcio server"),
]
BLOBS = [f"put:{small}", f"read:{small}", f"put:{large}", f"read:{large}"]
CALLS = ["sput:1", "sread:1", "sput:8", "sread:8", "sput:64", "sread:64"]


def load(pair):
    results = {}
    with open(os.path.join(folder, pair)) as file:
        for line in file:
            work, *numbers = line.split()
            results.setdefault(work, []).append([float(number) for number in numbers])
    return results


def rate(runs):
    return statistics.median(done / seconds for done, seconds, *_ in runs)


def table(head, works, unit, show, cpu_unit):
    print("\n| " + head + " | " + " | ".join(works) + " |")
    print("|---" * (len(works) + 1) + "|")
    base = load(PAIRS[0][0])
    for pair, name in PAIRS:
        results = load(pair)
        cells = []
        for work in works:
            if work not in results:
                cells.append("")
                continue
            runs = results[work]
            cpu = statistics.median((client + server) / done for done, _, client, server in runs) * cpu_unit
            cells.append(f"{show(rate(runs) / unit)} ({rate(runs) / rate(base[work]):.2f}; {cpu:.1f})")
        print(f"| {name} | " + " | ".join(cells) + " |")


print("Large blobs in one stream: GB/s (ratio to the first row; seconds of processor time of client and server for 1 GiB)")
table("", BLOBS, 1e9, lambda value: f"{value:.2f}", 1 << 30)
print("\nBlobs of 1 KiB, 1, 8 and 64 calls at a time: calls a second (ratio; microseconds of processor time of both for a call)")
table("", CALLS, 1, lambda value: f"{value:,.0f}", 1e6)
