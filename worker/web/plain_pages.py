"""Pages for unknown callers, and error pages; they use nothing that may fail.

They look like the page to sign in. Its style sheet is open to everybody, so that even an address
that was slowed down gets a styled page.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse
from starlette.types import Scope

FOLDER = Path(__file__).parent / "pages"

_PAGE = Template((FOLDER / "page.html").read_text(encoding="utf-8"))


def is_for_a_person(scope: Scope) -> bool:
    """Return whether the request is for a page in a browser, and not for an answer to a program."""
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    accept = Headers(scope=scope).get("accept", "")
    return "text/html" in accept and not path.startswith("/api")


def make_page(
    scope: Scope, title: str, body: str, *, head: str = "", status: int = 200
) -> HTMLResponse:
    """Make a page from a title and a body, both in HTML."""
    prefix = scope.get("root_path", "")
    return HTMLResponse(_PAGE.substitute(prefix=prefix, title=title, head=head, body=body), status)


def error_page(
    scope: Scope, status: int, title: str, lines: Sequence[str], retry_after: int | None = None
) -> HTMLResponse:
    """Make the page of an error: what is wrong, what to do, and when to try again."""
    body = "\n".join(f'<p role="alert">{escape(line)}</p>' for line in lines if line)
    if retry_after is not None:
        body += f"\n<p>Wait {retry_after} s, then load this page again.</p>"
    body += f'\n<p><a href="{scope.get("root_path", "")}/">Back to the first page</a></p>'
    made = make_page(scope, escape(title.rstrip(".")), body, status=status)
    if retry_after is not None:
        made.headers["Retry-After"] = str(retry_after)
    return made
