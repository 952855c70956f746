"""The bare server of benchmarks/Tvix.Benchmarks/Grpc/BareServer.cs with Python's grpcio.   usage: server.py STUBS PIECE"""

import asyncio
import os
import sys

import grpc

stubs, piece_size = sys.argv[1], int(sys.argv[2])
sys.path.insert(0, stubs)

from tvix.castore.protos import rpc_blobstore_pb2 as blob, rpc_blobstore_pb2_grpc as blob_grpc  # noqa: E402

PIECE = os.urandom(piece_size)
MESSAGE = blob.BlobChunk(data=PIECE)


class Blobs(blob_grpc.BlobServiceServicer):
    async def Stat(self, request, context):
        return blob.StatBlobResponse()

    async def Read(self, request, context):
        rest = int.from_bytes(request.digest[:8], "big")
        while rest > 0:
            yield MESSAGE if rest >= len(PIECE) else blob.BlobChunk(data=PIECE[:rest])
            rest -= len(PIECE)

    async def Put(self, requests, context):
        length = 0
        async for request in requests:
            length += len(request.data)
        return blob.PutBlobResponse(digest=length.to_bytes(8, "big") + bytes(24))


async def main():
    server = grpc.aio.server()
    blob_grpc.add_BlobServiceServicer_to_server(Blobs(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening {port}", flush=True)
    await server.wait_for_termination()


asyncio.run(main())
