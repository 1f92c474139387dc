#!/usr/bin/env python3
"""Runs a command in a terminal: terminal.py STEPS COMMAND...

STEPS is JSON, one list each: ["size", COLUMNS, ROWS], ["type", TEXT], ["wait", TEXT] (until the picture holds it),
["without", TEXT] (until it does not), ["picture"], ["run", COMMAND...] (beside the terminal). Prints the pictures, how the command ended and whether it gave the
terminal back as it was.
"""
import fcntl, json, os, pty, select, struct, subprocess, sys, termios, time

steps, command = json.loads(sys.argv[1]), sys.argv[2:]
main, side = pty.openpty()
seen, pictures = b"", []


def size(columns, rows):
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read(seconds):
    global seen
    if select.select([main], [], [], seconds)[0]:
        seen += os.read(main, 65536)


def picture():
    """The last one that is whole: each is written from the upper left corner to its end."""
    whole = seen[: seen.rfind(b"\x1b[J")]
    last = whole[whole.rfind(b"\x1b[H") + 3 :]
    return last.replace(b"\x1b[K", b"").decode(errors="replace").replace("\r\n", "\n")


def wait(text, there=True, limit=90):
    until = time.monotonic() + limit
    while (text in picture()) != there:
        if time.monotonic() > until or child.poll() is not None:
            sys.exit(f"{text!r}: still not {there}: {picture()!r}; ended: {child.poll()}")
        read(0.2)


def start():
    os.setsid()
    fcntl.ioctl(side, termios.TIOCSCTTY, 0)


if steps and steps[0][0] == "size":
    size(*steps.pop(0)[1:])
before = termios.tcgetattr(side)
child = subprocess.Popen(command, stdin=side, stdout=side, stderr=side, preexec_fn=start)
for what, *rest in steps:
    if what == "size":
        # What was drawn before does not count.
        seen = b""
        size(*rest)
    elif what == "type":
        os.write(main, rest[0].encode())
    elif what == "wait":
        wait(rest[0])
    elif what == "without":
        wait(rest[0], there=False)
    elif what == "picture":
        pictures.append(picture())
    elif what == "run":
        subprocess.run(rest, check=True, stdout=subprocess.DEVNULL)
until = time.monotonic() + 20
while child.poll() is None and time.monotonic() < until:
    read(0.1)
while select.select([main], [], [], 0.1)[0]:
    read(0.1)
left = seen.rfind(b"\x1b[?1049l") > seen.rfind(b"\x1b[?1049h") and seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l")
if child.poll() is None:
    child.kill()
print(json.dumps({
    "pictures": pictures,
    "code": child.wait(),
    "restored": left and termios.tcgetattr(side) == before,
}))
