"""Facts about processes, read from the kernel."""

from pathlib import Path


def boot_id() -> str:
    """Return the id of the current boot of this host; no process outlives a boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def stat_fields(pid: int) -> list[bytes] | None:
    """Return the fields of a process's `stat` from the third one, the state, on."""
    try:
        # The name before the state may hold any character, but the last `)` in the line closes it.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in ticks since the boot; `None` if it has ended."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields and fields[0] not in (b"Z", b"X") else None


def children_of(pid: int) -> list[int]:
    """Return the pids of the children of a process."""
    children = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = stat_fields(int(entry.name))
            if fields and int(fields[1]) == pid:
                children.append(int(entry.name))
    return children
