"""The demand as a number that an HTTP endpoint answers."""

import json
from typing import Literal
from urllib.parse import quote

from pydantic import Field

from worker.backends.option_types import Printable
from worker.demand.answers import AnswerOptions, number_in
from worker.demand.contract import Source
from worker.demand.endpoints import EndpointOptions, EndpointQuestion, fetch

LONGEST_BODY = 65_536
"""The longest body, in characters."""


class HttpOptions(EndpointOptions, AnswerOptions):
    """An endpoint that answers JSON."""

    method: Literal["GET", "POST"] = "GET"
    """The method of the request: GET or POST."""

    body: str | None = Field(default=None, max_length=LONGEST_BODY)
    """The body of a POST; '{vo}' becomes the VO's name. Write no secrets here: use header_files."""

    content_type: Printable = "application/json"
    """The content type of the body."""

    def objection(self) -> str | None:
        """Return why the endpoint is not asked with these options, or another objection."""
        if self.body is not None and self.method == "GET":
            return "a body is sent by POST only: method=POST"
        return super().objection()


def ask(vo: str, options: HttpOptions) -> int:
    """Send the request, and return the number in the answer."""
    url = options.url.replace("{vo}", quote(vo, safe=""))
    if options.method == "GET":
        return number_in(fetch(EndpointQuestion(url=url), options), options)
    body = (options.body or "").replace("{vo}", json.dumps(vo)[1:-1]).encode()
    question = EndpointQuestion(
        url=url, method="POST", body=body, content_type=options.content_type
    )
    return number_in(fetch(question, options), options)


HTTP = Source(
    name="http",
    about="An HTTP endpoint that answers JSON.",
    options=HttpOptions,
    ask=ask,
)
