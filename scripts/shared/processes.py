"""Processes as the kernel shows them: groups, memory, listening sockets."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from resource import getpagesize

_LISTEN = "0A"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def listening_addresses(pid: int) -> set[str]:
    """The local addresses that a process listens on over TCP."""
    inodes = _socket_inodes(pid)
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {_address(row[1]) for row in rows if row[3] == _LISTEN and row[9] in inodes}


def process_group_members(group: int) -> list[int]:
    """Living processes of a process group; zombies do not count."""
    members = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, _, in_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(in_group) == group and state != "Z":
            members.append(int(entry.name))
    return members


def processor_seconds(group: int) -> dict[str, float]:
    """Processor time that the living processes of a group have used, by the program's name.

    Examples
    --------
    >>> import os
    >>> sum(processor_seconds(os.getpgrp()).values()) > 0
    True
    """
    used: dict[str, float] = {}
    for pid in process_group_members(group):
        try:
            before, _, after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        name, fields = before.partition("(")[2], after.split()
        ticks = int(fields[11]) + int(fields[12])
        used[name] = used.get(name, 0.0) + ticks / _TICKS_PER_S
    return used


def resident_bytes(pid: int) -> int:
    """The memory that a process holds in RAM; 0 once it has ended.

    Examples
    --------
    >>> import os
    >>> resident_bytes(os.getpid()) > 2**20
    True
    """
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * getpagesize()
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _socket_inodes(pid: int) -> set[str]:
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[len("socket:[") : -1])
    return inodes


def _address(field: str) -> str:
    # The kernel prints addresses as 32-bit words in its own byte order, little-endian here.
    digits = field.partition(":")[0]
    words = [bytes.fromhex(digits[n : n + 8])[::-1] for n in range(0, len(digits), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
