#!/usr/bin/env python3
"""A Mini-Chat client by a stranger: Python's standard library, and nothing known but lib/protocol/README.md.

    stranger.py register|login LINK NAME      the password comes from the variable STRANGER_PASSWORD

Then one command a line on standard input: `send USER TEXT`, `users`, `history USER`, `read` (what was shown counts as read),
`raw JSON` (params and method as they are), `bye`. Each message that arrives is printed and acknowledged as delivered.
"""

import base64
import hashlib
import itertools
import json
import os
import re
import select
import socket
import ssl
import sys
import uuid

LINK = re.compile(r"mini-chat://(\[[^\]]+\]|[^:/#]+)(?::(\d+))?(?:/([^#]*))?(?:#(.*))?$")
DEFAULT_PORT = 7667
REPLY_SECONDS = 20


def say(*words):
    print(*words, flush=True)


def der_element(data, at):
    """Returns (start of the content, end) of the DER element at this place."""
    length = data[at + 1]
    start = at + 2
    if length >= 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start:start + size], "big")
        start += size
    return start, start + length


def public_key_info(certificate):
    """The SubjectPublicKeyInfo of a certificate, both in DER (RFC 5280, section 4.1)."""
    at, _ = der_element(certificate, 0)  # Certificate
    at, _ = der_element(certificate, at)  # TBSCertificate
    if certificate[at] == 0xA0:  # [0] version
        _, at = der_element(certificate, at)
    for _field in ("serialNumber", "signature", "issuer", "validity", "subject"):
        _, at = der_element(certificate, at)
    _, end = der_element(certificate, at)
    return certificate[at:end]


def fingerprint_of(certificate):
    digest = hashlib.sha256(public_key_info(certificate)).digest()
    return "SHA256:" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.number = error["code"]
        self.code = error["data"]["code"]
        self.data = error["data"]


class Client:
    """One connection, used by one thread: TLS of this library must not read and write at the same moment."""

    def __init__(self, host, port, fingerprint, version=None):
        # The key is checked by its fingerprint, so the chain of certificates says nothing more.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if version:
            context.minimum_version = context.maximum_version = version
        plain = socket.create_connection((host, port), timeout=REPLY_SECONDS)
        self.socket = context.wrap_socket(plain, server_hostname="mini-chat.internal")
        seen = fingerprint_of(self.socket.getpeercert(binary_form=True))
        if fingerprint and seen != fingerprint:
            sys.exit(f"the server's key is {seen}, not {fingerprint}")
        self.bytes = b""
        self.messages = []  # arrived, and not yet acknowledged
        self.newest = 0
        self.ids = itertools.count(1)

    def write(self, value):
        self.socket.sendall(json.dumps(value, ensure_ascii=False).encode() + b"\n")

    def read_frames(self):
        """Waits for bytes; returns the whole frames that they complete, which may be none."""
        some = self.socket.recv(65536)
        if not some:
            raise EOFError
        *lines, self.bytes = (self.bytes + some).split(b"\n")
        return [json.loads(line) for line in lines if line.strip()]

    def request(self, method, params):
        number = next(self.ids)
        self.write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        reply = None
        while reply is None:
            for frame in self.read_frames():
                if "method" not in frame and frame["id"] == number:
                    reply = frame
                else:
                    self.hear(frame)
        if "error" in reply:
            raise Refused(reply["error"])
        return reply["result"]

    def hear(self, frame):
        """Takes a frame that is no awaited reply."""
        method = frame.get("method")
        if method == "ping":
            try:
                self.write({"jsonrpc": "2.0", "id": frame["id"], "result": {}})
            except OSError:
                pass  # the server has hung up meanwhile: what it said before can still be read
        elif method == "message_received":
            self.messages.append(frame["params"])
        elif method == "receipt":
            say("receipt", json.dumps(frame["params"]))
        elif method in ("server_stopping", "session_ended"):
            say(method)

    def take_messages(self):
        """Acknowledges and shows, in order, what has come."""
        while self.messages:
            message = self.messages.pop(0)
            self.request("acknowledge", {"delivered": message["sequence"]})
            self.newest = message["sequence"]
            say("message", message["sequence"], message["from"], json.dumps(message["text"], ensure_ascii=False))

    def serve(self, commands):
        """Obeys commands and takes messages, whichever comes, until the commands end."""
        typed = b""
        while True:
            self.take_messages()
            # What TLS has decrypted already makes no socket readable.
            readable = [self.socket] if self.socket.pending() else select.select([self.socket, commands], [], [])[0]
            if self.socket in readable:
                for frame in self.read_frames():
                    self.hear(frame)
                continue
            some = os.read(commands.fileno(), 65536)
            *lines, typed = (typed + some).split(b"\n")
            for line in lines:
                if line == b"bye":
                    return
                try:
                    obey(self, line.decode())
                except Refused as refusal:
                    say("refused", refusal.code)
            if not some:
                return


def obey(client, line):
    command, _, rest = line.partition(" ")
    if command == "send":
        to, _, text = rest.partition(" ")
        result = client.request("send_message", {"id": str(uuid.uuid4()), "to": to, "text": text})
        say("stored", result["sequence"])
    elif command == "users":
        after = {}
        while True:
            page = client.request("list_users", after)
            for user in page["users"]:
                say("user", user["name"], user["presence"], user["unreadCount"])
            if page["next"] is None:
                return
            after = {"after": page["next"]}
    elif command == "history":
        for message in client.request("fetch_history", {"with": rest})["messages"]:
            text = json.dumps(message["text"], ensure_ascii=False)
            say("history", message["sequence"], message["from"], message.get("state", "-"), text)
    elif command == "read":
        client.request("acknowledge", {"read": client.newest})
        say("read", client.newest)
    elif command == "raw":
        frame = json.loads(rest)
        say("result", json.dumps(client.request(frame["method"], frame["params"])))
    else:
        say("unknown command", command)


def read_link(link):
    """Returns (host, port, join code, fingerprint); the last two may be None."""
    host, port, join_code, fingerprint = LINK.match(link).groups()
    return host.strip("[]"), int(port or DEFAULT_PORT), join_code, fingerprint


def main():
    how, link, name = sys.argv[1:]
    host, port, join_code, fingerprint = read_link(link)
    client = Client(host, port, fingerprint)
    client.request("hello", {"protocol": 1, "client": {"name": "stranger", "version": "0.1"}})
    params = {"name": name, "password": os.environ["STRANGER_PASSWORD"], "deviceName": "a stranger's"}
    if how == "register" and join_code:
        params["joinCode"] = join_code
    if "STRANGER_DEVICE" in os.environ:
        params["deviceId"] = os.environ["STRANGER_DEVICE"]
        del params["deviceName"]
    try:
        account = client.request(how, params)
    except Refused as refusal:
        say("refused", refusal.code)
        sys.exit(1)
    say("signed in", account["name"], account["deviceId"])
    say("waiting up to", client.request("subscribe", {})["upTo"])
    try:
        client.serve(sys.stdin)
        client.request("bye", {})
    except EOFError:
        say("closed")


if __name__ == "__main__":
    main()
