"""Answers for programs at the addresses of pages: the same JSON as from the API."""

from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from worker.domain.errors import Invalid
from worker.domain.pages import PageRequest
from worker.web.routes import SLASH


def answer(kind: Any, value: Any, version: str | None = None) -> Response:
    content = TypeAdapter(kind).dump_json(value)
    headers = {} if version is None else {"ETag": f'"{version}"'}
    return Response(content, headers=headers, media_type="application/json")


def page_request(request: Request, *, limit: int) -> PageRequest:
    """Return which page of a list is requested."""
    text = request.query_params.get("limit", "")
    if text and not (text.isdecimal() and len(text) < 6):
        raise Invalid("limit", "it must be a whole number")
    after = request.query_params.get("after") or None
    return PageRequest(limit=int(text or limit), after=after)


def query_text(request: Request, name: str) -> str | None:
    """Return a value of the query, `None` if it is missing or empty."""
    return (request.query_params.get(name) or "").strip() or None


def name_of(part: str) -> str:
    """Return the name in a part of a path; as in the API, `%2F` is a slash within the name."""
    return part.replace(SLASH, "/")
