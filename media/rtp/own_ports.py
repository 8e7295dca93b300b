"""Keeps rtpengine's UDP ports its own.

rtpengine opens them with SO_REUSEADDR. On Linux another process of any user may then bind the same port with it, too, and gets all
that is sent there: the audio of a call, the control of rtpengine. No option turns that off. So the launcher installs a filter of
system calls that stays over exec: asking for SO_REUSEADDR seems to succeed and does nothing. rtpengine listens on no TCP port,
which alone would need it.
"""

from __future__ import annotations

import ctypes
import platform
import socket
import struct

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
MACHINES = {"x86_64": (0xC000003E, 54), "aarch64": (0xC00000B7, 208)}  # its name for the kernel, its number of setsockopt
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, MACHINE, LEVEL, OPTION = 0, 4, 24, 32  # where struct seccomp_data has them (arguments 1 and 2; little-endian)
ALLOW, PRETEND = 0x7FFF0000, 0x00050000  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with error 0, which is success


def keep() -> bool:
    """For this process and what it becomes; False if this processor is not known here. Raises OSError."""
    if platform.machine() not in MACHINES:
        return False
    library = ctypes.CDLL(None, use_errno=True)
    code = b"".join(struct.pack("=HBBI", *line) for line in program(*MACHINES[platform.machine()]))
    buffer = ctypes.create_string_buffer(code)
    filter_of = struct.pack("@HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    for words in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, MODE_FILTER, filter_of, 0, 0)):
        if library.prctl(*words):
            raise OSError(ctypes.get_errno(), "prctl")
    return True


def program(machine: int, setsockopt: int) -> list[tuple[int, int, int, int]]:
    """In classic BPF (code, jump if true, jump if false, value): all is allowed but setsockopt(SOL_SOCKET, SO_REUSEADDR)."""
    wanted = ((MACHINE, machine), (NUMBER, setsockopt), (LEVEL, socket.SOL_SOCKET), (OPTION, socket.SO_REUSEADDR))
    lines = []
    for count, (at, value) in enumerate(wanted):
        lines += [(LOAD, 0, 0, at), (EQUAL, 0, 2 * (len(wanted) - count) - 1, value)]
    return [*lines, (RETURN, 0, 0, PRETEND), (RETURN, 0, 0, ALLOW)]
