"""Starts a program as a service manager does: its sockets are descriptors 3 and up.

hand_over.py FD[,FD...] PROGRAM [ARGUMENT...]
"""

import fcntl
import os
import sys

given = [int(text) for text in sys.argv[1].split(",")]
# Out of the way first: the place of one may be another.
given = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 64) for descriptor in given]
for place, descriptor in enumerate(given):
    os.dup2(descriptor, 3 + place)
    os.close(descriptor)
os.environ["LISTEN_FDS"] = str(len(given))
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
