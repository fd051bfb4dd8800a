"""Whether the address of a service is safe for secrets, and for a proxy."""

import re

_ENCRYPTED = re.compile(r"https://[^\s/?#@\\]+([/?][^\s\\]*)?")
_ON_THIS_HOST = re.compile(
    r"http://(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(:\d+)?([/?][^\s\\]*)?"
)


def is_private(url: str) -> bool:
    """Return whether nobody else can read the traffic to an address.

    It is encrypted, or it stays on this host.
    """
    return any(pattern.fullmatch(url) for pattern in (_ENCRYPTED, _ON_THIS_HOST))


def may_go_by_proxy(url: str) -> bool:
    """Return whether a request to an address may go by a proxy that the environment names.

    Without encryption the proxy could read it. A library would ask it even for this host.
    """
    return url.lower().startswith("https:")
