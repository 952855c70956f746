"""A store served with Python's grpcio, in memory, which does what the tests want to see go wrong.

usage: server.py STUBS SOCKET        prints "ready" when it serves

What goes wrong is named by the header "behaviour" of a call; without one the server does what it should.
"""

import signal
import subprocess
import sys
import threading
import time
from concurrent import futures

import grpc

sys.path.insert(0, sys.argv[1])
from tvix.castore.protos import castore_pb2, rpc_blobstore_pb2 as blob, rpc_blobstore_pb2_grpc as blob_grpc  # noqa: E402
from tvix.castore.protos import rpc_directory_pb2 as directory, rpc_directory_pb2_grpc as directory_grpc  # noqa: E402
from tvix.store.protos import pathinfo_pb2 as info, rpc_pathinfo_pb2 as info_rpc, rpc_pathinfo_pb2_grpc as info_grpc  # noqa: E402

blobs, directories, path_infos = {}, {}, {}
chunks = {}


def blake3(data):
    return bytes.fromhex(subprocess.run(["b3sum", "--no-names"], input=data, stdout=subprocess.PIPE, check=True).stdout.decode().strip())


def behaviour(context):
    return dict(context.invocation_metadata()).get("behaviour", "")


def common(context):
    """What can go wrong with any call."""
    what = behaviour(context)
    if what == "unavailable":
        context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
    if what == "broken":
        context.abort(grpc.StatusCode.INTERNAL, "broken: 100% ä")
    if what == "lost":
        context.abort(grpc.StatusCode.DATA_LOSS, "lost")
    if what == "slow":
        while context.is_active():
            time.sleep(0.05)
    return what


class Blobs(blob_grpc.BlobServiceServicer):
    def Stat(self, request, context):
        what = common(context)
        if request.digest not in blobs:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such blob")
        answer = blob.StatBlobResponse(chunks=[blob.StatBlobResponse.ChunkMeta(digest=d, size=n) for d, n in chunks.get(request.digest, [])])
        if what == "short digests":
            answer.chunks.add(digest=b"short", size=5)
        if what == "huge chunks":
            del answer.chunks[:]
            answer.chunks.add(digest=bytes(32), size=1 << 62)
            answer.chunks.add(digest=bytes(32), size=1 << 63)
        if what == "wrong sizes" and answer.chunks:
            answer.chunks[0].size += 1
        return answer

    def Read(self, request, context):
        what = common(context)
        data = blobs.get(request.digest)
        if data is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such blob")
        if what == "wrong bytes":
            data = data[:-1] + bytes([data[-1] ^ 1])
        if what == "early end":
            data = data[: len(data) // 2]
        for start in range(0, len(data), 10_000):
            yield blob.BlobChunk(data=data[start : start + 10_000])
            if what == "error in the middle" and start >= 10_000:
                context.abort(grpc.StatusCode.DATA_LOSS, "the rest is lost")
            if what == "slow bytes":
                while context.is_active():
                    time.sleep(0.05)
        while what == "endless":
            yield blob.BlobChunk(data=bytes(100_000))
        while what == "endless nothing":
            yield blob.BlobChunk()

    def Put(self, requests, context):
        what = common(context)
        if what == "error in the middle":
            next(requests)
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "the disk is full")
        data = b"".join(request.data for request in requests)
        digest = blake3(data)
        if what == "wrong digest":
            return blob.PutBlobResponse(digest=bytes(32))
        if what == "short digest":
            return blob.PutBlobResponse(digest=b"short")
        blobs[digest] = data
        if len(data) > 100_000:
            parts = [data[start : start + 40_000] for start in range(0, len(data), 40_000)]
            chunks[digest] = [(blake3(part), len(part)) for part in parts]
            blobs.update(zip((d for d, _ in chunks[digest]), parts))
        return blob.PutBlobResponse(digest=digest)


class Directories(directory_grpc.DirectoryServiceServicer):
    def Get(self, request, context):
        what = common(context)
        todo = [request.digest]
        seen = set()
        sent = []
        while todo:
            digest = todo.pop(0)
            message = directories.get(digest)
            if message is None:
                if request.recursive:
                    return
                context.abort(grpc.StatusCode.NOT_FOUND, "no such directory")
            sent.append(message)
            seen.add(digest)
            if request.recursive:
                todo += [d.digest for d in message.directories if d.digest not in seen and d.digest not in todo]
        if what == "wrong order":
            sent.reverse()
        if what == "early end":
            sent.pop()
        if what == "twice":
            sent.append(sent[-1])
        if what == "other":
            sent[0] = castore_pb2.Directory(files=[castore_pb2.FileNode(name=b"other", digest=bytes(32))])
        if what == "invalid":
            sent[0] = castore_pb2.Directory(files=[castore_pb2.FileNode(name=b"..", digest=bytes(32))])
        if what == "more":
            sent.append(castore_pb2.Directory(files=[castore_pb2.FileNode(name=b"other", digest=bytes(32))]))
        yield from sent
        while what == "endless":
            yield sent[0]

    def Put(self, requests, context):
        what = common(context)
        digest = b""
        for message in requests:
            digest = blake3(message.SerializeToString(deterministic=True))
            directories[digest] = message
            if what == "error in the middle":
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not this one")
        return directory.PutDirectoryResponse(root_digest=bytes(32) if what == "wrong digest" else digest)


class PathInfos(info_grpc.PathInfoServiceServicer):
    def Get(self, request, context):
        what = common(context)
        message = path_infos.get(request.by_output_hash)
        if message is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such path info")
        if what == "other":
            message = next(other for key, other in path_infos.items() if key != request.by_output_hash)
        if what == "invalid":
            message = info.PathInfo(node=message.node)
        return message

    def Put(self, request, context):
        what = common(context)
        name = getattr(request.node, request.node.WhichOneof("node")).name
        alphabet = "0123456789abcdfghijklmnpqrsvwxyz"
        value = 0
        for c in name[:32].decode():
            value = value * 32 + alphabet.index(c)
        path_infos[value.to_bytes(20, "little")] = request
        if what == "invalid":
            return info.PathInfo()
        return request

    def List(self, request, context):
        what = common(context)
        for message in path_infos.values():
            yield message
            if what == "invalid":
                yield info.PathInfo()
            if what == "error in the middle":
                context.abort(grpc.StatusCode.INTERNAL, "no more")

    def CalculateNAR(self, request, context):
        what = common(context)
        return info_rpc.CalculateNARResponse(nar_size=1, nar_sha256=b"short" if what == "invalid" else bytes(32))


class Garbage(grpc.GenericRpcHandler):
    """Answers every call that asks for it with bytes that are no message."""

    def service(self, details):
        if dict(details.invocation_metadata).get("behaviour") != "garbage":
            return None
        return grpc.stream_stream_rpc_method_handler(lambda requests, context: iter([b"\xff\xff\xff\xff"]))


server = grpc.server(futures.ThreadPoolExecutor(32), handlers=[Garbage()])
blob_grpc.add_BlobServiceServicer_to_server(Blobs(), server)
directory_grpc.add_DirectoryServiceServicer_to_server(Directories(), server)
info_grpc.add_PathInfoServiceServicer_to_server(PathInfos(), server)
server.add_insecure_port("unix:" + sys.argv[2])
server.start()
stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
print("ready", flush=True)
stopped.wait()
server.stop(0)
