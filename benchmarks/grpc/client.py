"""The load of benchmarks/Tvix.Benchmarks/Grpc/GrpcLoad.cs with Python's grpcio.   usage: client.py STUBS HOST:PORT PIECE WORK..."""

import asyncio
import os
import sys
import time

import grpc

stubs, address, piece_size, works = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
sys.path.insert(0, stubs)

from tvix.castore.protos import rpc_blobstore_pb2 as blob, rpc_blobstore_pb2_grpc as blob_grpc  # noqa: E402

SMALL = 1024
SMALL_SECONDS = 0.5

piece = bytearray(os.urandom(piece_size))
serial = time.time_ns()
digests = {}


def change():
    """No two pieces are the same, or a store would not store them."""
    global serial
    for i in range(0, len(piece) - 7, 4096):
        piece[i:i + 8] = serial.to_bytes(8, "little")
        serial += 1


async def put(stub, length):
    async def pieces():
        for at in range(0, length, len(piece)):
            change()
            yield blob.BlobChunk(data=bytes(piece[:length - at]))
    return (await stub.Put(pieces())).digest


async def put_small(stub):
    async def pieces():
        yield blob.BlobChunk(data=os.urandom(SMALL))
    return (await stub.Put(pieces())).digest


async def read(stub, digest, expected):
    length = 0
    async for message in stub.Read(blob.ReadBlobRequest(digest=digest)):
        length += len(message.data)
    assert length == expected, f"{length} bytes instead of {expected}"
    return length


async def repeat(parallel, call):
    end = time.monotonic() + SMALL_SECONDS
    calls = 0

    async def one():
        nonlocal calls
        while time.monotonic() < end:
            await call()
            calls += 1
    await asyncio.gather(*(one() for _ in range(parallel)))
    return calls


async def run(stub, work, amount):
    if work == "put":
        digests[amount] = await put(stub, amount)
        return amount
    if work == "read":
        return await read(stub, digests[amount], amount)
    if work == "sput":
        return await repeat(amount, lambda: put_small(stub))
    digest = await put_small(stub)
    return await repeat(amount, lambda: read(stub, digest, SMALL))


def server_cpu():
    with open(f"/proc/{os.environ.get('SERVER_PID', 'self')}/stat") as file:
        fields = file.read().split(" ")
    return (int(fields[13]) + int(fields[14])) / 100


async def main():
    async with grpc.aio.insecure_channel(address) as channel:
        stub = blob_grpc.BlobServiceStub(channel)
        for work, amount in [("put", 64 << 20), ("read", 64 << 20), ("sput", 8), ("sread", 8)]:
            await run(stub, work, amount)
        for text in works:
            work, amount = text.split(":")
            server, cpu, start = server_cpu(), time.process_time(), time.monotonic()
            done = await run(stub, work, int(amount))
            print(f"{text} {done} {time.monotonic() - start:.4f} {time.process_time() - cpu:.4f} {server_cpu() - server:.2f}", flush=True)


asyncio.run(main())
