"""Runs a program for which io_uring_setup fails with an errno: deny_io_uring.py ERRNO PROGRAM ARG…

A seccomp filter, as container runtimes set it; it needs no privilege and outlives the exec.
"""

import ctypes
import os
import struct
import sys

IO_URING_SETUP = 425  # on every architecture
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def instruction(code, if_true, if_false, operand):
    return struct.pack("HBBI", code, if_true, if_false, operand)


program = b"".join(
    [
        instruction(LOAD_WORD, 0, 0, 0),  # the system call's number
        instruction(JUMP_IF_EQUAL, 0, 1, IO_URING_SETUP),
        instruction(RETURN, 0, 0, ERRNO | int(sys.argv[1])),
        instruction(RETURN, 0, 0, ALLOW),
    ]
)
buffer = ctypes.create_string_buffer(program)
# struct sock_fprog: a count, padding, a pointer.
filter_ = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
for arguments in [
    (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
    (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(filter_), 0, 0),
]:
    if prctl(*(ctypes.c_ulong(argument) for argument in arguments)) != 0:
        raise SystemExit(f"prctl{arguments}: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[2], sys.argv[2:])
