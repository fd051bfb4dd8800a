"""The routes of the API, made from the table of endpoints and the signatures of the actions."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, create_model

from worker.domain.errors import Invalid
from worker.domain.lengths import in_utc
from worker.services.allowed import right_of
from worker.services.arguments import (
    SINGULAR,
    Argument,
    Arguments,
    arguments_of,
    has_if_match,
)
from worker.services.endpoints import ENDPOINTS, Endpoint
from worker.services.requests import AnsweredBefore
from worker.web import documents
from worker.web.callers import runtime_of
from worker.web.repeats import REPEATED, Key, once_for
from worker.web.rights import GuardedRoute, documented

SLASH = "%2F"
"""A slash within a name, as it is written in a path, where it separates nothing."""


def _read_moment(moment: datetime) -> datetime:
    try:
        return in_utc(moment)
    except OverflowError:
        raise ValueError("it is out of range") from None


Moment = Annotated[datetime, AfterValidator(_read_moment)]
"""A moment; one without a time zone is in UTC."""


IfMatch = Annotated[
    str | None,
    Header(
        description="The ETag of the answer that was read; refused if it has changed since.",
        max_length=255,
    ),
]


def router() -> APIRouter:
    """Make the routes of all endpoints."""
    made = APIRouter(route_class=GuardedRoute)
    for endpoint in ENDPOINTS:
        _add(made, endpoint)
    return made


def _add(made: APIRouter, endpoint: Endpoint) -> None:
    arguments = arguments_of(endpoint)
    summary, _, more = (endpoint.action.__doc__ or "").strip().partition("\n")
    nothing = arguments.returns is type(None)
    right = right_of(endpoint.action)
    made.add_api_route(
        endpoint.path,
        _serve(endpoint, arguments),
        methods=[endpoint.method],
        status_code=204 if nothing else endpoint.status,
        response_model=None if nothing or endpoint.is_text else arguments.returns,
        response_class=PlainTextResponse if endpoint.is_text else JSONResponse,
        operation_id=f"{endpoint.group}_{endpoint.name}",
        tags=[endpoint.group],
        summary=summary.rstrip("."),
        description=documents.description(more, right),
        responses=documents.responses(endpoint),
        openapi_extra=documented(right),
    )


def _serve(endpoint: Endpoint, arguments: Arguments) -> Callable[..., Response]:
    """Make the function that FastAPI calls. From its signature FastAPI reads the request."""
    answers = TypeAdapter(arguments.returns)
    encode = partial(answers.dump_python, mode="json")

    def serve(request: Request, **parts: Any) -> Response:
        _refuse_repeated(request, arguments)
        values = _values(arguments, parts)
        check_texts(values)
        if "if_match" in parts and parts["if_match"] is not None:
            values["unless_changed"] = _version(parts["if_match"])
        try:
            what = endpoint.path, sorted(values.items())
            once = once_for(request, parts.get("key"), what, encode)
            answer = endpoint.action(runtime_of(request, once), **values)
        except AnsweredBefore as before:
            return JSONResponse(before.answer, endpoint.status, REPEATED)
        return _response(endpoint, answers, answer)

    serve.__signature__ = Signature(_parameters(endpoint, arguments))  # type: ignore[attr-defined]
    return serve


def _refuse_repeated(request: Request, arguments: Arguments) -> None:
    """Refuse a second value of a parameter that takes one: the first would be ignored silently."""
    several = {SINGULAR.get(one.name, one.name) for one in arguments.query if one.takes_several}
    for name in request.query_params:
        if name not in several and len(request.query_params.getlist(name)) > 1:
            raise Invalid(name, "it is given twice", "give it once")


def _version(if_match: str) -> str | None:
    """Return the version that a change expects; a star is any version."""
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(",")]
    if len(tags) > 1:
        raise Invalid("if-match", "it names several versions", "send the version that was read")
    return None if tags == ["*"] else tags[0]


def _response(endpoint: Endpoint, answers: TypeAdapter[Any], answer: Any) -> Response:
    if answer is None and endpoint.returns_nothing:
        return Response(status_code=204)
    if endpoint.is_text:
        return PlainTextResponse(answer)
    headers = {} if endpoint.version is None else {"ETag": f'"{endpoint.version(answer)}"'}
    content = answers.dump_json(answer)
    return Response(content, endpoint.status, headers, media_type="application/json")


def _parameters(endpoint: Endpoint, arguments: Arguments) -> list[Parameter]:
    made = [_parameter("request", Request)]
    made += [_parameter(one.name, _in_path(endpoint, one)) for one in arguments.path]
    if arguments.query:
        model = _model(endpoint, "Query", arguments.query, singular=True)
        made.append(_parameter("query", Annotated[model, Query()]))
    if arguments.whole_body is not None:
        whole = arguments.whole_body
        made.append(_parameter("body", Annotated[whole.kind, Body()], whole.default))
    elif arguments.body:
        made.append(_parameter("body", _model(endpoint, "Body", arguments.body)))
    if has_if_match(endpoint):
        made.append(_parameter("if_match", IfMatch, None))
    if endpoint.takes_key:
        made.append(_parameter("key", Key, None))
    return made


def _parameter(name: str, kind: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _in_path(endpoint: Endpoint, argument: Argument) -> Any:
    description = documents.meaning(endpoint.action.__name__, argument.name)
    return Annotated[argument.kind, Path(description=description)]


def _model(
    endpoint: Endpoint, what: str, arguments: Sequence[Argument], *, singular: bool = False
) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for one in arguments:
        default = ... if one.default is Parameter.empty else one.default
        alias = SINGULAR.get(one.name) if singular else None
        meaning = documents.meaning(endpoint.action.__name__, alias or one.name)
        fields[one.name] = _kind(one.kind), Field(default, alias=alias, description=meaning)
    name = f"{endpoint.group}_{endpoint.name}_{what}"
    config = ConfigDict(extra="forbid", populate_by_name=False)
    return create_model(name, __config__=config, **fields)


def _kind(kind: Any) -> Any:
    if kind is datetime:
        return Moment
    return Moment | None if kind == datetime | None else kind


def _values(arguments: Arguments, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the action by their names."""
    values = {
        one.name: parts[one.name].replace(SLASH, "/") if one.kind is str else parts[one.name]
        for one in arguments.path
    }
    if arguments.whole_body is not None:
        values[arguments.whole_body.name] = parts["body"]
    spread: dict[str, dict[str, Any]] = {name: {} for name in arguments.spread}
    for source, of_source in (("query", arguments.query), ("body", arguments.body)):
        for one in of_source:
            target = spread[one.of] if one.is_spread else values
            target[one.name] = getattr(parts[source], one.name)
    values |= {name: arguments.spread[name](**fields) for name, fields in spread.items()}
    return values


def check_texts(value: Any) -> None:
    """Refuse a text that databases cannot store."""
    if isinstance(value, str):
        if "\0" in value or (not value.isascii() and not _is_unicode(value)):
            raise Invalid("text", "it has characters that cannot be stored")
    elif isinstance(value, BaseModel):
        check_texts(value.model_dump())
    elif isinstance(value, Mapping):
        check_texts([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            check_texts(item)
    elif hasattr(value, "__dataclass_fields__"):
        check_texts(list(vars(value).values()))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
