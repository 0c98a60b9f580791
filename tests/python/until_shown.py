#!/usr/bin/env python3
"""How long until a program has shown a text on a terminal of its own.

    until_shown.py TEXT PROGRAM ARGUMENT...

Prints milliseconds from the start of the program, and kills it. Standard library only.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

DEADLINE_SECONDS = 20


def main():
    text, *argv = sys.argv[1:]
    started = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(argv[0], argv)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    shown = b""
    while text.encode() not in shown:
        if not select.select([terminal], [], [], started + DEADLINE_SECONDS - time.perf_counter())[0]:
            sys.exit(f"{argv[0]} did not show {text!r}, but: {shown.decode(errors='replace')}")
        shown += os.read(terminal, 65536)
    taken = time.perf_counter() - started
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(taken * 1000)


if __name__ == "__main__":
    main()
