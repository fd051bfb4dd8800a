"""Fetching the output of a pilot from its folder at the CE."""

from worker.backends.arc.client import Rest, RestReply
from worker.backends.arc.description import OUTPUT
from worker.backends.outputs import SHOWN, shortened, whole
from worker.domain.ce_answers import Output


async def fetch(rest: Rest, job: str) -> Output:
    """Fetch what a job has written so far; the middle of a long text is left out."""
    first = await _part(rest, job, f"bytes=0-{2 * SHOWN - 1}")
    size = _size(first) if first.status == 206 else len(first.body)
    if first.status not in (200, 206) or size <= 2 * SHOWN:
        return whole(first.body if first.status in (200, 206) else b"")
    head, tail = first.body[:SHOWN], first.body[-SHOWN:]
    if first.status == 206:
        last = await _part(rest, job, f"bytes={size - SHOWN}-{size - 1}")
        tail = last.body[-SHOWN:] if last.status == 206 else b""
    return shortened(head, tail, size)


async def _part(rest: Rest, job: str, span: str) -> RestReply:
    url = f"{rest.base}/jobs/{job}/session/{OUTPUT}"
    return await rest.ask("GET", url, headers={"Range": span})


def _size(part: RestReply) -> int:
    """Return the size of the whole file, from an answer with a part of it."""
    whole = part.headers.get("content-range", "").rpartition("/")[2]
    return int(whole) if whole.isdecimal() else len(part.body)
