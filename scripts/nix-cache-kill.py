"""Drives nix-cache-kill.sh: TOOL FOLDER ROUNDS SEED."""
import hashlib, http.client, lzma, os, random, signal, struct, subprocess, sys, threading, time

tool, folder, rounds, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
rnd = random.Random(seed)
ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
SIZES = [300, 300, 5_000, 5_000, 80_000, 80_000, 700_000, 4_000_000]
CLIENTS = 4
log = open(os.path.join(folder, "log"), "ab")
counts = {"ok": 0, "failed": 0}


def check(name, is_right, detail=""):
    counts["ok" if is_right else "failed"] += 1
    if not is_right:
        print(f"FAILED  {name} {detail}", flush=True)


def base32(digest):
    number = int.from_bytes(digest, "little")
    return "".join(ALPHABET[number >> (5 * i) & 31] for i in reversed(range((len(digest) * 8 + 4) // 5)))


def words(*texts):
    return b"".join(struct.pack("<Q", len(text)) + text + bytes(-len(text) % 8) for text in texts)


class Path:
    """A store path that is uploaded: a folder with two files."""

    def __init__(self, reference):
        size = rnd.choice(SIZES)
        data = rnd.randbytes(size // 2) + b"the same line again\n" * (size // 40)
        file = [b"(", b"type", b"regular", b"contents"]
        entry = lambda name, contents: words(b"entry", b"(", b"name", name, b"node", *file, contents, b")", b")")
        nar = words(b"nix-archive-1", b"(", b"type", b"directory") + entry(b"data", data) + entry(b"small", rnd.randbytes(20)) + words(b")")
        self.compression = rnd.choice(["none", "xz", "zstd"] if size < 1_000_000 else ["none", "zstd"])  # xz takes this script too long
        if self.compression == "xz":
            self.file = lzma.compress(nar, preset=0)
        elif self.compression == "zstd":
            self.file = subprocess.run(["zstd", "-1", "-q", "-c"], input=nar, stdout=subprocess.PIPE, check=True).stdout
        else:
            self.file = nar
        self.hash = base32(rnd.randbytes(20))
        file_hash = base32(hashlib.sha256(self.file).digest())
        self.nar_hash, self.nar_size = "sha256:" + base32(hashlib.sha256(nar).digest()), len(nar)
        self.url = f"nar/{file_hash}.nar" + {"none": "", "xz": ".xz", "zstd": ".zst"}[self.compression]
        self.info = (
            f"StorePath: /nix/store/{self.hash}-p\nURL: {self.url}\nCompression: {self.compression}\nFileHash: sha256:{file_hash}\nFileSize: {len(self.file)}\n"
            f"NarHash: {self.nar_hash}\nNarSize: {self.nar_size}\nReferences: {reference.hash + '-p' if reference else ''}\n"
        ).encode()
        self.log = rnd.randbytes(rnd.choice([10, 50_000]))
        self.acknowledged = self.log_acknowledged = self.resumed = False

    def upload(self, connect):
        """As Nix does it: asks for the NAR first, and sends the narinfo last."""
        connection = connect()
        try:
            if request(connection, "HEAD", "/" + self.url)[0] != 200:
                expect(request(connection, "PUT", "/" + self.url, self.file), 204)
            else:
                self.resumed = True
            expect(request(connection, "PUT", f"/{self.hash}.narinfo", self.info), 204)
            self.acknowledged = True
            expect(request(connection, "PUT", f"/log/{self.hash}-p.drv", self.log), 204)
            self.log_acknowledged = True
        finally:
            connection.close()


class Refused(Exception):
    pass


def expect(answer, status):
    if answer[0] != status:
        raise Refused(f"{answer[0]} {answer[1][:200]}")


def request(connection, method, path, body=None):
    connection.request(method, path, body=body)
    response = connection.getresponse()
    return response.status, response.read()


class Daemon:
    def __init__(self):
        port_file = os.path.join(folder, "port")
        if os.path.exists(port_file):
            os.remove(port_file)
        self.process = subprocess.Popen([tool, "--store", f"local:{folder}/store", "daemon", "--http", "127.0.0.1:0", "--port-file", port_file], stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not os.path.exists(port_file):
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"the daemon did not start: {open(os.path.join(folder, 'log')).read()[-3000:]}")
            time.sleep(0.005)
        self.port = int(open(port_file).read())

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait()


def inspect(daemon, path):
    """Whether what is served of a path is whole; whether it is served at all."""
    connection = daemon.connect()
    status, text = request(connection, "GET", f"/{path.hash}.narinfo")
    if status == 200:
        fields = dict(line.split(": ", 1) for line in text.decode().splitlines() if ": " in line)
        check("the narinfo says what was uploaded", (fields["NarHash"], int(fields["NarSize"])) == (path.nar_hash, path.nar_size), path.hash)
        try:
            status_of_nar, nar = request(connection, "GET", "/" + fields["URL"])
        except (OSError, http.client.HTTPException) as e:
            status_of_nar, nar = e, b""
            connection = daemon.connect()
        is_whole = status_of_nar == 200 and len(nar) == path.nar_size and "sha256:" + base32(hashlib.sha256(nar).digest()) == path.nar_hash
        check("the narinfo has its whole NAR", is_whole, f"{path.hash} {path.compression} {status_of_nar}, {len(nar)} of {path.nar_size} bytes")
    else:
        check("what is not served is not there", status == 404, f"{path.hash} {status}")
        check("what was acknowledged is served", not path.acknowledged, path.hash)
    status, text = request(connection, "GET", f"/log/{path.hash}-p.drv")
    check("a kept file is whole or not there", (status == 200 and text == path.log) or (status == 404 and not path.log_acknowledged), f"{path.hash} {status} {len(text)}")
    connection.close()


def verify():
    done = subprocess.run([tool, "--store", f"local:{folder}/store", "verify"], stdout=log, stderr=log)
    check("tvix-store verify", done.returncode == 0, open(os.path.join(folder, "log")).read()[-1500:])


def cut(daemon, paths):
    """Uploads with several clients at once, and kills the daemon meanwhile. Tells whether it hit an upload."""
    queue, lock, refused = list(paths), threading.Lock(), []

    def client():
        while True:
            with lock:
                if not queue:
                    return
                path = queue.pop()
            try:
                path.upload(daemon.connect)
            except Refused as e:
                refused.append(f"{path.hash} {e}")
            except (OSError, http.client.HTTPException):
                return  # killed

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    time.sleep(rnd.random() * latest)
    daemon.end(signal.SIGKILL)
    for thread in clients:
        thread.join()
    check("no upload was refused", not refused, "; ".join(refused))
    return any(not path.log_acknowledged for path in paths)


start = time.monotonic()
everything, cuts, resumed = [], 0, 0
latest = 0.3  # the latest moment of a kill, in seconds: it finds by itself how long uploads take here
for number in range(rounds):
    done = [path for path in everything if path.acknowledged]
    paths = [Path(rnd.choice(done) if done and rnd.random() < 0.5 else None) for _ in range(rnd.randint(4, 7))]
    everything += paths
    daemon = Daemon()
    hit = cut(daemon, paths)
    cuts += hit
    latest *= 1.08 if hit else 0.7
    if number % 20 == 19:
        verify()

    daemon = Daemon()
    for path in paths + rnd.sample(everything, min(4, len(everything))):
        inspect(daemon, path)
    for path in paths:
        if not path.log_acknowledged:
            path.resumed = False
            try:
                path.upload(daemon.connect)
                resumed += path.resumed
            except Refused as e:
                check("what was cut off can be uploaded to its end", False, f"{path.hash} {e}")
            inspect(daemon, path)
    daemon.end(rnd.choice([signal.SIGKILL, signal.SIGTERM]))

verify()
daemon = Daemon()
for path in everything:
    check("in the end everything is acknowledged", path.acknowledged and path.log_acknowledged, path.hash)
    inspect(daemon, path)
daemon.end(signal.SIGTERM)
log.flush()
text = open(os.path.join(folder, "log"), errors="replace").read()
failures = [line for line in text.splitlines() if "fail:" in line or "crit:" in line or " 500 in " in line]
check("the daemons logged no failure", not failures, "\n".join(failures[:5]))
check("kills hit uploads", cuts >= rounds // 2, f"{cuts} of {rounds}")
print(f"{rounds} rounds with seed {seed} in {time.monotonic() - start:.0f} s: {len(everything)} store paths, {cuts} rounds cut off, {resumed} uploads went on with a NAR that was there already")
print(f"{counts['ok']} ok, {counts['failed']} failed")
sys.exit(counts["failed"] > 0)
