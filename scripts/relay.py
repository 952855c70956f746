"""Passes TCP connections on to a port of this machine, and counts what clients send.

relay.py PORT PORT_FILE BYTES_FILE [BYTES COMMAND…]

The port it listens on is written to PORT_FILE, and the count, at all times, to BYTES_FILE. When BYTES have come, COMMAND is run, and nobody can connect any more.
"""
import os
import socket
import subprocess
import sys
import threading

port, port_file, bytes_file = int(sys.argv[1]), sys.argv[2], sys.argv[3]
limit, command = (int(sys.argv[4]), sys.argv[5:]) if len(sys.argv) > 4 else (None, None)
total = 0
lock = threading.Lock()
count_file = os.open(bytes_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
os.pwrite(count_file, b"%d" % 0, 0)
listener = socket.create_server(("127.0.0.1", 0), backlog=64)


def count(length):
    global total, limit
    with lock:
        total += length
        os.pwrite(count_file, b"%d" % total, 0)
        if limit is not None and total >= limit:
            limit = None
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            subprocess.call(command)


def pass_on(source, target, counted):
    try:
        while data := source.recv(1 << 16):
            if counted:
                count(len(data))
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One side has gone, and so does the other.
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


with open(port_file + ".new", "w") as f:
    f.write(f"{listener.getsockname()[1]}\n")
os.rename(port_file + ".new", port_file)
while True:
    try:
        client, _ = listener.accept()
    except OSError:
        break  # closed by count
    try:
        server = socket.create_connection(("127.0.0.1", port))
    except OSError:
        client.close()
        continue
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=pass_on, args=(client, server, True)).start()
    threading.Thread(target=pass_on, args=(server, client, False)).start()
