"""Serves a binary cache in a folder, with the fault that a file names at the time of each request.

faulty-cache.py FOLDER PORT_FILE FAULT_FILE LOG_FILE

Faults:
  none           what is in the folder
  corrupt        a bit of each NAR file is another
  truncated      NAR files end in the middle, and say so
  cut            NAR files end in the middle, and the connection with them
  cut-once       likewise, once for each file; the rest can be had with a Range
  signature      the signatures in narinfos are by the same key, but of something else
  path           narinfos are those of another path of the folder
  error          every answer is a 500
  nar-error      every answer for a NAR is a 500
  hang           no answer comes
  nar-hang       NAR files stop in the middle, and the connection stays open
  slow           NAR files take a second more before their second half
"""
import http.server
import os
import re
import sys
import threading
import time

folder, port_file, fault_file, log_file = sys.argv[1:]
cut = set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        fault = open(fault_file).read().strip()
        path = os.path.normpath(os.path.join(folder, self.path.split("?")[0].lstrip("/")))
        is_nar = "/nar/" in self.path
        with open(log_file, "a") as log:
            log.write("%s %s %s\n" % (self.command, self.path, self.headers.get("Range", "")))
        if fault == "hang":
            time.sleep(3600)
        if fault == "error" or (fault == "nar-error" and is_nar):
            return self.answer(500, b"out of order")
        if fault == "path" and path.endswith(".narinfo") and os.path.exists(path):
            path = next(f.path for f in sorted(os.scandir(folder), key=lambda f: f.path) if f.name.endswith(".narinfo") and f.path != path)
        if not path.startswith(folder) or not os.path.isfile(path):
            return self.answer(404, b"not here")
        data = open(path, "rb").read()
        if fault == "signature" and path.endswith(".narinfo"):
            data = re.sub(rb"(?m)^Sig: ([^:]*):.*$", rb"Sig: \1:" + b"A" * 86 + b"==", data)
        start, status, half = 0, 200, len(data)
        if is_nar:
            half = len(data) // 2
            if fault == "corrupt":
                data = data[:half] + bytes([data[half] ^ 1]) + data[half + 1:]
            elif fault == "truncated":
                data = data[:half]
            match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if match:
                start, status = int(match[1]), 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) - start))
        if is_nar:
            self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(data) - 1, len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        first_time = path not in cut
        if fault == "cut-once":
            cut.add(path)
        try:
            self.send(fault, data, start, half, is_nar, first_time)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has had enough

    def send(self, fault, data, start, half, is_nar, first_time):
        self.wfile.write(data[start:max(half, start)] if is_nar else data)
        if not is_nar:
            return
        if fault == "cut" or (fault == "cut-once" and first_time):
            self.close_connection = True
            return
        if fault == "nar-hang":
            time.sleep(3600)
        if fault == "slow":
            self.wfile.flush()
            time.sleep(1)
        self.wfile.write(data[max(half, start):])

    do_HEAD = do_GET

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
with open(port_file + ".new", "w") as f:
    f.write(str(server.server_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
