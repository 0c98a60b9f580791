#!/usr/bin/env python3
"""The least that a chat server can do, for stranger_latency.py: one thread, one insert and fsync a message, then the event.

    raw_relay.py FOLDER      with server.crt and server.key in it; prints its port

It checks nothing, and a slow disk stalls everybody. What it takes is what the machine, TLS and Python's client cost.
"""

import json
import os
import selectors
import socket
import sqlite3
import ssl
import sys


def main():
    folder = sys.argv[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.crt"), os.path.join(folder, "server.key"))
    database = sqlite3.connect(os.path.join(folder, "raw.db"), isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE messages (sequence INTEGER PRIMARY KEY, id TEXT UNIQUE, recipient TEXT, text TEXT)")
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    rest = {}  # what has come of the next line, by connection

    def drop(connection):
        selector.unregister(connection)
        del rest[connection]
        connection.close()

    def take(connection, line):
        frame = json.loads(line)
        if "id" in frame and "method" in frame:
            if frame["method"] == "send_message":
                message = frame["params"]
                row = (message["id"], message["to"], message["text"])
                sequence = database.execute("INSERT INTO messages (id, recipient, text) VALUES (?, ?, ?)", row).lastrowid
                event = {"jsonrpc": "2.0", "method": "message_received", "params": {**message, "sequence": sequence}}
                for other in rest:
                    if other is not connection:
                        other.sendall(json.dumps(event).encode() + b"\n")
            connection.sendall(json.dumps({"jsonrpc": "2.0", "id": frame["id"], "result": {}}).encode() + b"\n")

    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                plain, _ = listener.accept()
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    connection = context.wrap_socket(plain, server_side=True)
                except OSError:
                    continue
                rest[connection] = b""
                selector.register(connection, selectors.EVENT_READ)
                continue
            connection = key.fileobj
            try:
                some = connection.recv(65536)
                *lines, rest[connection] = (rest[connection] + some).split(b"\n")
                for line in lines:
                    take(connection, line)
            except OSError:
                some = b""
            if not some:
                drop(connection)


if __name__ == "__main__":
    main()
