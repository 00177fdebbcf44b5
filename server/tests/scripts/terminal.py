"""Runs a program on a terminal, and presses Ctrl-C when it has printed a word.

terminal.py WORD PROGRAM ARG…

Prints all that the program printed, and ends with its exit code.
"""

import os
import pty
import sys

word, program = sys.argv[1].encode(), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(program[0], program)
printed, pressed = b"", False
while True:
    try:
        chunk = os.read(terminal, 65536)
    except OSError:
        break  # how Linux reports that the last process of a terminal has ended
    if not chunk:
        break
    printed += chunk
    if word in printed and not pressed:
        pressed = True
        os.write(terminal, b"\x03")
sys.stdout.buffer.write(printed)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
