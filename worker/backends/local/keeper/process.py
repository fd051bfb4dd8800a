"""What the kernel says of processes."""

from pathlib import Path


def boot_id() -> str:
    """Name this boot of this host; processes do not outlive it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def stat_fields(pid: int) -> list[bytes] | None:
    """Read a process's state and what follows it in its stat, the third field first."""
    try:
        # The name before it may hold anything, parentheses too, but the last one closes it.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in ticks since the boot; `None` if it has ended."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields and fields[0] not in (b"Z", b"X") else None


def children_of(pid: int) -> list[int]:
    """List the children of a process."""
    children = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = stat_fields(int(entry.name))
            if fields and int(fields[1]) == pid:
                children.append(int(entry.name))
    return children
