#!/usr/bin/env python3
"""How long a stranger's client waits: Python's standard library, TCP_NODELAY, the rules of lib/protocol/README.md and no tricks.

    stranger_latency.py PORT SENDER_TOKEN RECIPIENT_TOKEN RECIPIENT SECONDS RATE...

Prints one JSON object: `login_ms`, each from hello to the reply to resume on a new connection, and `event_ms`, for each
rate (messages a second) each from the sender's write to the recipient's having read the event. The recipient acknowledges
each message as it comes, as anybody's client would.
"""

import itertools
import json
import select
import socket
import ssl
import sys
import threading
import time
import uuid

LOGINS = 20
LEAST_MESSAGES = 200  # so that the 99th percentile is more than the worst one
TEXT = ("The quick brown fox jumps over the lazy dog, and the dog does not mind it at all. " * 3)[:200]


class Connection:
    """One connection, used by one thread at a time."""

    def __init__(self, port):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", port), timeout=20)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname="mini-chat.internal")
        self.bytes = b""
        self.ids = itertools.count(1)
        self.on_event = lambda frame: None

    def send(self, method, params):
        number = next(self.ids)
        self._write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return number

    def _write(self, value):
        self.socket.sendall(json.dumps(value).encode() + b"\n")

    def read(self, seconds):
        """Waits so long at most for bytes; returns the replies among what they complete."""
        if not self.socket.pending() and not select.select([self.socket], [], [], max(seconds, 0))[0]:
            return []
        some = self.socket.recv(65536)
        if not some:
            raise EOFError("the server closed the connection")
        *lines, self.bytes = (self.bytes + some).split(b"\n")
        replies = []
        for frame in (json.loads(line) for line in lines if line.strip()):
            if frame.get("method") == "ping":
                self._write({"jsonrpc": "2.0", "id": frame["id"], "result": {}})
            elif "method" in frame:
                self.on_event(frame)
            elif "error" in frame:
                raise RuntimeError(frame["error"])
            else:
                replies.append(frame)
        return replies

    def ask(self, method, params):
        number = self.send(method, params)
        while all(reply["id"] != number for reply in self.read(20)):
            pass

    def sign_in(self, token):
        self.ask("hello", {"protocol": 1, "client": {"name": "stranger", "version": "0.1"}})
        self.ask("resume", {"token": token})


def time_login(port, token):
    connection = Connection(port)
    started = time.perf_counter()
    connection.sign_in(token)
    taken = time.perf_counter() - started
    connection.socket.close()
    return taken * 1000


class Recipient(threading.Thread):
    """Reads and acknowledges until it is told to stop, and notes when each message came."""

    def __init__(self, port, token):
        super().__init__(daemon=True)
        self.connection = Connection(port)
        self.connection.sign_in(token)
        self.connection.ask("subscribe", {})
        self.connection.on_event = self.take
        self.arrived = {}
        self.is_over = False

    def take(self, frame):
        if frame["method"] == "message_received":
            message = frame["params"]
            self.arrived[message["id"]] = time.perf_counter()
            self.connection.send("acknowledge", {"delivered": message["sequence"]})

    def run(self):
        while not self.is_over:
            self.connection.read(0.1)


def time_events(port, sender_token, recipient_token, recipient_name, rate, seconds):
    recipient = Recipient(port, recipient_token)
    recipient.start()
    sender = Connection(port)
    sender.sign_in(sender_token)
    written = {}
    started = time.perf_counter()
    for number in range(max(int(rate * seconds), LEAST_MESSAGES)):
        due = started + number / rate
        while (left := due - time.perf_counter()) > 0:
            sender.read(left)
        message = str(uuid.uuid4())
        written[message] = time.perf_counter()
        sender.send("send_message", {"id": message, "to": recipient_name, "text": TEXT})
    until = time.perf_counter() + 10
    missing = written.keys()
    while missing and time.perf_counter() < until:
        sender.read(0.01)
        missing = written.keys() - recipient.arrived.keys()
    recipient.is_over = True
    recipient.join()
    if missing:
        raise RuntimeError(f"{len(missing)} messages did not arrive")
    return [(recipient.arrived[message] - at) * 1000 for message, at in written.items()]


def main():
    port, sender, recipient, name, seconds, *rates = sys.argv[1:]
    print(json.dumps({
        "login_ms": [time_login(int(port), sender) for _ in range(LOGINS)],
        "event_ms": {rate: time_events(int(port), sender, recipient, name, float(rate), float(seconds)) for rate in rates},
    }))


if __name__ == "__main__":
    main()
