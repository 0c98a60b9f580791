"""Runs a program on a real pseudo-terminal, types for it, and tells what it wrote and how it left the terminal.

Reads one JSON object from its standard input:
  argv     the program and its arguments
  size     [columns, rows]
  steps    in order: {"wait": TEXT} until that text has been written since the last wait,
           {"keys": TEXT}, {"signal": NAME}, {"resize": [columns, rows]}
Writes one JSON object: output, code (negative: killed by that signal), modes at the end and at each stop, timed_out.
The program runs as a job of a tiny shell, so that Ctrl+Z stops it and it is continued at once. Standard library only.
"""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

DEADLINE_SECONDS = 30  # for each step, and for the end


def modes(fd):
    flags = termios.tcgetattr(fd)[3]
    return {"echo": bool(flags & termios.ECHO), "canonical": bool(flags & termios.ICANON)}


def shell(argv, report):
    """Starts the program as the foreground job, continues it when it stops, ends as it ends."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(argv[0], argv)
    os.write(report, json.dumps({"job": job}).encode() + b"\n")
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        os.tcsetpgrp(0, os.getpgrp())
        if not os.WIFSTOPPED(status):
            break
        os.write(report, json.dumps({"stopped": modes(0)}).encode() + b"\n")
        os.tcsetpgrp(0, job)  # before the mark: what is typed after it is the job's
        os.write(1, b"[stopped]\r\n")
        os.kill(-job, signal.SIGCONT)
    os.write(report, json.dumps({"ended": modes(0), "code": os.waitstatus_to_exitcode(status)}).encode() + b"\n")
    os._exit(0)


def main():
    task = json.load(sys.stdin)
    report_in, report_out = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        os.close(report_in)
        shell(task["argv"], report_out)
    os.close(report_out)

    def resize(size):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    resize(task["size"])
    steps, output, seen, reports, timed_out = task["steps"], b"", 0, b"", False
    deadline = time.monotonic() + DEADLINE_SECONDS
    job = None
    while True:
        while steps and job is not None:
            step = steps[0]
            if "wait" in step:
                at = output.find(step["wait"].encode(), seen)
                if at < 0:
                    break
                seen = at + len(step["wait"].encode())
            elif "keys" in step:
                os.write(terminal, step["keys"].encode())
            elif "signal" in step:
                os.kill(job, getattr(signal, "SIG" + step["signal"]))
            elif "resize" in step:
                resize(step["resize"])
            steps.pop(0)
            deadline = time.monotonic() + DEADLINE_SECONDS
        ready, _, _ = select.select([terminal, report_in], [], [], 0.5)
        if report_in in ready:
            more = os.read(report_in, 4096)
            reports += more
            if not more:
                break
            job = json.loads(reports.split(b"\n")[0])["job"] if b"\n" in reports else None
        if terminal in ready:
            try:
                output += os.read(terminal, 65536)
            except OSError:  # EIO: every process has left the terminal
                break
        if time.monotonic() > deadline:
            timed_out = True
            os.killpg(job, signal.SIGKILL)
            deadline = float("inf")
    while True:
        try:
            more = os.read(report_in, 4096)
        except OSError:
            break
        if not more:
            break
        reports += more
    os.waitpid(pid, 0)
    facts = [json.loads(line) for line in reports.splitlines()]
    end = next(fact for fact in facts if "ended" in fact)
    json.dump({
        "output": output.decode(errors="replace"),
        "code": end["code"],
        "modes": end["ended"],
        "stops": [fact["stopped"] for fact in facts if "stopped" in fact],
        "timedOut": timed_out,
        "stepsLeft": len(steps),
    }, sys.stdout)


main()
