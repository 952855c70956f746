"""Uses a server with Python's grpcio, through stubs that protoc made of the project's .proto files. Prints a line for each check.

usage: session.py STUBS ADDRESS...        an address is HOST:PORT or unix:PATH
"""

import os
import sys
import threading
import time

import grpc

stubs, addresses = sys.argv[1], sys.argv[2:]
sys.path.insert(0, stubs)

from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: E402
from grpc_reflection.v1 import reflection_pb2 as reflection_v1, reflection_pb2_grpc as reflection_v1_grpc  # noqa: E402
from grpc_reflection.v1alpha import reflection_pb2 as reflection_v1alpha, reflection_pb2_grpc as reflection_v1alpha_grpc  # noqa: E402
from google.protobuf import descriptor_pb2  # noqa: E402
from snix.castore.protos import castore_pb2 as snix_castore, rpc_blobstore_pb2 as snix_blob, rpc_blobstore_pb2_grpc as snix_blob_grpc  # noqa: E402
from snix.castore.protos import rpc_directory_pb2 as snix_dir, rpc_directory_pb2_grpc as snix_dir_grpc  # noqa: E402
from snix.store.protos import pathinfo_pb2 as snix_info, rpc_pathinfo_pb2 as snix_info_rpc, rpc_pathinfo_pb2_grpc as snix_info_grpc  # noqa: E402
from tvix.castore.protos import castore_pb2 as tvix_castore, rpc_blobstore_pb2 as tvix_blob, rpc_blobstore_pb2_grpc as tvix_blob_grpc  # noqa: E402
from tvix.castore.protos import rpc_directory_pb2 as tvix_dir, rpc_directory_pb2_grpc as tvix_dir_grpc  # noqa: E402
from tvix.store.protos import pathinfo_pb2 as tvix_info, rpc_pathinfo_pb2 as tvix_info_rpc, rpc_pathinfo_pb2_grpc as tvix_info_grpc  # noqa: E402

failures = 0
EMPTY_BLAKE3 = bytes.fromhex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")


def check(name, condition):
    global failures
    print(("ok    " if condition else "FAILED ") + f"grpcio: {where}: {name}")
    failures += not condition


def status(call):
    """The status that a call ends with."""
    try:
        call()
        return grpc.StatusCode.OK
    except grpc.RpcError as e:
        return e.code()


def pieces(data, size):
    for start in range(0, len(data), size):
        yield start, data[start:start + size]


class Family:
    """The messages and stubs of one package."""

    def __init__(self, name, channel):
        self.name = name
        snix = name == "snix"
        self.castore = snix_castore if snix else tvix_castore
        self.blob = snix_blob if snix else tvix_blob
        self.dir = snix_dir if snix else tvix_dir
        self.info = snix_info if snix else tvix_info
        self.info_rpc = snix_info_rpc if snix else tvix_info_rpc
        self.blobs = (snix_blob_grpc if snix else tvix_blob_grpc).BlobServiceStub(channel)
        self.directories = (snix_dir_grpc if snix else tvix_dir_grpc).DirectoryServiceStub(channel)
        self.path_infos = (snix_info_grpc if snix else tvix_info_grpc).PathInfoServiceStub(channel)
        self.Container = self.castore.Entry if snix else self.castore.Node
        self.DirectoryNode = self.castore.DirectoryEntry if snix else self.castore.DirectoryNode
        self.FileNode = self.castore.FileEntry if snix else self.castore.FileNode
        self.SymlinkNode = self.castore.SymlinkEntry if snix else self.castore.SymlinkNode

    def put(self, data, size=65536, **options):
        return self.blobs.Put((self.blob.BlobChunk(data=piece) for _, piece in pieces(data, size)), **options).digest

    def read(self, digest, **options):
        return b"".join(chunk.data for chunk in self.blobs.Read(self.blob.ReadBlobRequest(digest=digest), **options))

    def info_message(self, node, references, narinfo):
        field = "entry" if self.name == "snix" else "node"
        return self.info.PathInfo(references=references, narinfo=narinfo, **{field: node})


def blobs(family):
    n = family.name
    digest = family.put(b"x86_64-linux")
    import base64
    check(f"{n}: Put x86_64-linux", base64.b64encode(digest) == b"KOM3/IHEx7YfInAnlJpAElYezq0Sxn9fRz7xuClwNfA=")
    check(f"{n}: Read it back", family.read(digest) == b"x86_64-linux")
    check(f"{n}: Put nothing", family.blobs.Put(iter([])).digest == EMPTY_BLAKE3)
    check(f"{n}: Read nothing", family.read(EMPTY_BLAKE3) == b"")

    large = os.urandom(1 << 16) * 160  # 10 MiB
    digests = {family.put(large, size) for size in (4096, 8191, 100_000, 1 << 20, (4 << 20) - 10_000)}
    small = {family.put(large[:10_000], size) for size in (1, 7, 5000)}
    check(f"{n}: Put in pieces of all sizes gives one digest", len(digests) == 1 and len(small) == 1)
    large_digest = digests.pop()
    check(f"{n}: Read 10 MiB", family.read(large_digest) == large)
    check(f"{n}: Put with empty pieces", family.blobs.Put(iter([family.blob.BlobChunk(), family.blob.BlobChunk(data=b"x86_64"), family.blob.BlobChunk(), family.blob.BlobChunk(data=b"-linux")])).digest == digest)
    stat = family.blobs.Stat(family.blob.StatBlobRequest(digest=large_digest, send_chunks=True))
    check(f"{n}: Stat lists chunks that make up the blob", len(stat.chunks) > 1 and sum(c.size for c in stat.chunks) == len(large))
    check(f"{n}: chunks are blobs", b"".join(family.read(c.digest) for c in stat.chunks) == large)
    check(f"{n}: gzip", family.read(family.put(large, compression=grpc.Compression.Gzip), compression=grpc.Compression.Gzip) == large)

    absent = bytes(32)
    check(f"{n}: Stat of an absent blob", status(lambda: family.blobs.Stat(family.blob.StatBlobRequest(digest=absent))) == grpc.StatusCode.NOT_FOUND)
    check(f"{n}: Read of an absent blob", status(lambda: family.read(absent)) == grpc.StatusCode.NOT_FOUND)
    check(f"{n}: Stat of a short digest", status(lambda: family.blobs.Stat(family.blob.StatBlobRequest(digest=b"short"))) == grpc.StatusCode.INVALID_ARGUMENT)
    check(f"{n}: Read of a short digest", status(lambda: family.read(b"short")) == grpc.StatusCode.INVALID_ARGUMENT)
    check(f"{n}: Put of a message that is too long", status(lambda: family.put(bytes(5 << 20), 5 << 20)) == grpc.StatusCode.RESOURCE_EXHAUSTED)

    call = family.blobs.Read(family.blob.ReadBlobRequest(digest=large_digest))
    next(call)
    call.cancel()
    check(f"{n}: Read cancelled in mid-stream", status(lambda: list(call)) == grpc.StatusCode.CANCELLED)
    stop = threading.Event()

    def slow():
        yield family.blob.BlobChunk(data=b"never to be stored")
        stop.wait(20)

    started = time.monotonic()
    check(f"{n}: deadline", status(lambda: family.blobs.Put(slow(), timeout=0.3)) == grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - started < 10)
    stop.set()
    return digest


def directories(family, blob):
    n = family.name
    check(f"{n}: empty directory", family.directories.Put(iter([family.castore.Directory()])).root_digest == EMPTY_BLAKE3)
    leaf = family.castore.Directory(
        files=[family.FileNode(name=b"system", digest=blob, size=12), family.FileNode(name=b"tool\xff", digest=EMPTY_BLAKE3, executable=True)],
        symlinks=[family.SymlinkNode(name=b"link", target=b"../system")])
    leaf_digest = family.directories.Put(iter([leaf])).root_digest
    root = family.castore.Directory(directories=[family.DirectoryNode(name=b"a", digest=leaf_digest, size=3), family.DirectoryNode(name=b"b", digest=leaf_digest, size=3)])
    root_digest = family.directories.Put(iter([leaf, root])).root_digest

    def get(digest, recursive=False):
        return list(family.directories.Get(family.dir.GetDirectoryRequest(digest=digest, recursive=recursive)))

    check(f"{n}: Get a directory", get(root_digest) == [root])
    check(f"{n}: Get a closure, root first and each once", get(root_digest, True) == [root, leaf])
    check(f"{n}: Get of an absent directory", status(lambda: get(bytes(32))) == grpc.StatusCode.NOT_FOUND)
    check(f"{n}: closure of an absent directory", get(bytes(32), True) == [])
    check(f"{n}: Get of a short digest", status(lambda: get(b"short")) == grpc.StatusCode.INVALID_ARGUMENT)
    check(f"{n}: Get of nothing", status(lambda: list(family.directories.Get(family.dir.GetDirectoryRequest()))) == grpc.StatusCode.INVALID_ARGUMENT)

    def refused(*messages):
        return status(lambda: family.directories.Put(iter(messages))) == grpc.StatusCode.INVALID_ARGUMENT

    check(f"{n}: Put root first is refused", refused(root, leaf))
    check(f"{n}: Put without a child is refused", refused(root))
    check(f"{n}: Put of a wrong size is refused", refused(leaf, family.castore.Directory(directories=[family.DirectoryNode(name=b"a", digest=leaf_digest, size=4)])))
    check(f"{n}: Put of two roots is refused", refused(leaf, family.castore.Directory()))
    check(f"{n}: Put of names out of order is refused", refused(family.castore.Directory(files=[
        family.FileNode(name=b"b", digest=EMPTY_BLAKE3), family.FileNode(name=b"a", digest=EMPTY_BLAKE3)])))
    check(f"{n}: Put of nothing is refused", refused())
    return root_digest


def path_infos(family, root, blob):
    n = family.name
    directory = family.DirectoryNode(digest=root, size=8)
    nar = family.path_infos.CalculateNAR(family.Container(directory=directory))
    check(f"{n}: CalculateNAR", nar.nar_size > 500 and len(nar.nar_sha256) == 32)
    again = family.path_infos.CalculateNAR(family.Container(directory=directory))
    check(f"{n}: CalculateNAR again", again == nar)
    check(f"{n}: CalculateNAR of a node with a name", status(lambda: family.path_infos.CalculateNAR(
        family.Container(directory=family.DirectoryNode(name=b"x", digest=root, size=8)))) == grpc.StatusCode.INVALID_ARGUMENT)
    check(f"{n}: CalculateNAR of what is not there", status(lambda: family.path_infos.CalculateNAR(
        family.Container(file=family.FileNode(digest=bytes(32), size=1)))) == grpc.StatusCode.NOT_FOUND)

    # The 20 bytes and their 32 characters: all zeros, except for the family.
    last = 1 if n == "snix" else 2
    path_digest = bytes([last]) + bytes(19)
    base_name = "0" * 31 + "12"[last - 1] + "-example"
    field = {"directory": family.DirectoryNode(name=base_name.encode(), digest=root, size=8)}
    info = family.info_message(
        family.Container(**field), [path_digest],
        family.info.NARInfo(
            nar_size=nar.nar_size, nar_sha256=nar.nar_sha256, reference_names=[base_name],
            signatures=[family.info.NARInfo.Signature(name="key-1", data=bytes(64))],
            deriver=family.info.StorePath(name="example", digest=path_digest),
            ca=family.info.NARInfo.CA(type=family.info.NARInfo.CA.NAR_SHA256, digest=nar.nar_sha256)))
    check(f"{n}: Put a path info", family.path_infos.Put(info) == info)

    def get(digest):
        return family.path_infos.Get(family.info_rpc.GetPathInfoRequest(by_output_hash=digest))

    check(f"{n}: Get it", get(path_digest) == info)
    check(f"{n}: Get of an absent one", status(lambda: get(bytes([9] * 20))) == grpc.StatusCode.NOT_FOUND)
    check(f"{n}: Get of a short digest", status(lambda: get(b"short")) == grpc.StatusCode.INVALID_ARGUMENT)
    check(f"{n}: Get of nothing", status(lambda: family.path_infos.Get(family.info_rpc.GetPathInfoRequest())) == grpc.StatusCode.UNIMPLEMENTED)
    check(f"{n}: List has it", info in list(family.path_infos.List(family.info_rpc.ListPathInfoRequest())))
    bad = family.info_message(family.Container(**field), [path_digest], family.info.NARInfo(nar_size=1, nar_sha256=b"short", reference_names=[base_name]))
    check(f"{n}: Put of nonsense", status(lambda: family.path_infos.Put(bad)) == grpc.StatusCode.INVALID_ARGUMENT)


def health(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ("", "tvix.castore.v1.BlobService", "tvix.castore.v1.DirectoryService", "tvix.store.v1.PathInfoService", "snix.castore.v1.BlobService"):
        check(f"health of '{service}'", stub.Check(health_pb2.HealthCheckRequest(service=service)).status == serving)
    check("health of an unknown service", status(lambda: stub.Check(health_pb2.HealthCheckRequest(service="no.such"))) == grpc.StatusCode.NOT_FOUND)
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    check("health is watched", next(watch).status == serving)
    watch.cancel()


def reflection(channel, version, messages, stub):
    def ask(**request):
        return next(stub.ServerReflectionInfo(iter([messages.ServerReflectionRequest(**request)])))

    names = {s.name for s in ask(list_services="*").list_services_response.service}
    expected = {f"{family}.{service}" for family in ("tvix", "snix") for service in ("castore.v1.BlobService", "castore.v1.DirectoryService", "store.v1.PathInfoService")}
    check(f"reflection {version}: list", expected <= names)
    answer = ask(file_containing_symbol="tvix.store.v1.PathInfoService")
    files = [descriptor_pb2.FileDescriptorProto.FromString(f) for f in answer.file_descriptor_response.file_descriptor_proto]
    described = {f"{f.package}.{s.name}": [m.name for m in s.method] for f in files for s in f.service}
    check(f"reflection {version}: describe", described.get("tvix.store.v1.PathInfoService") == ["Get", "Put", "CalculateNAR", "List"])
    check(f"reflection {version}: unknown symbol", ask(file_containing_symbol="no.such").error_response.error_code == 5)


for where in addresses:
    options = [("grpc.max_receive_message_length", 64 << 20)]
    with grpc.insecure_channel(where, options=options) as channel:
        grpc.channel_ready_future(channel).result(timeout=20)
        for name in ("tvix", "snix"):
            family = Family(name, channel)
            blob = blobs(family)
            path_infos(family, directories(family, blob), blob)
        unknown = channel.unary_unary("/tvix.castore.v1.BlobService/NoSuchMethod")
        check("unknown method", status(lambda: unknown(b"")) == grpc.StatusCode.UNIMPLEMENTED)
        unknown = channel.unary_unary("/no.such.Service/Method")
        check("unknown service", status(lambda: unknown(b"")) == grpc.StatusCode.UNIMPLEMENTED)
        health(channel)
        reflection(channel, "v1", reflection_v1, reflection_v1_grpc.ServerReflectionStub(channel))
        reflection(channel, "v1alpha", reflection_v1alpha, reflection_v1alpha_grpc.ServerReflectionStub(channel))

sys.exit(1 if failures else 0)
