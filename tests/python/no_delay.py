#!/usr/bin/env python3
"""Whether a process sends small frames at once to those whom it has accepted: TCP_NODELAY of its sockets, read from outside.

    no_delay.py PID PORT

Prints a line for each socket of the process that is connected at this port: 1 where the option is set, else 0.
Linux alone, as root: it takes copies of another process's descriptors (pidfd_getfd(2)).
"""

import ctypes
import os
import socket
import sys

PIDFD_OPEN = 434
PIDFD_GETFD = 438

libc = ctypes.CDLL(None, use_errno=True)


def main():
    pid, port = (int(word) for word in sys.argv[1:])
    process = libc.syscall(PIDFD_OPEN, pid, 0)
    for descriptor in sorted(int(name) for name in os.listdir(f"/proc/{pid}/fd")):
        if not os.readlink(f"/proc/{pid}/fd/{descriptor}").startswith("socket:"):
            continue
        copy = libc.syscall(PIDFD_GETFD, process, descriptor, 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        with socket.socket(fileno=copy) as theirs:
            if theirs.family not in (socket.AF_INET, socket.AF_INET6) or theirs.getsockname()[1] != port:
                continue
            if theirs.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0:
                print(theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


if __name__ == "__main__":
    main()
