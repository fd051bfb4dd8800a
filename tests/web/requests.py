"""A request for each operation of the API that succeeds on the site of the tests."""

from dataclasses import dataclass
from typing import Any

from tests.web.site import Site


@dataclass(frozen=True)
class Request:
    """The path, query and body of an operation, and the object that it changes."""

    path: str = ""
    """Values for the path, separated by blanks; `{…}` is a number of the site."""
    body: Any = None
    query: str = ""
    of: str = ""
    """The kind and name of the object in its row of the audit."""


CHANGING = {
    "my_pilots_submit": Request("lyon", of="ce lyon"),
    "pilots_cancel_matching": Request(body={"statuses": ["reserved"]}, of="pilot 2 pilots"),
    "pilots_cancel": Request(body={"which": ["{reserved}"]}, of="pilot {reserved}"),
    "pilots_submit": Request("lyon", {"count": 2}, of="ce lyon"),
    "ces_add_ce": Request(body={"name": "new", "backend": "sim", "capacity": 1}, of="ce new"),
    "ces_change_ce": Request("lyon", {"enabled": False}, of="ce lyon"),
    "ces_remove_ce": Request("bari", of="ce bari"),
    "ces_pause": Request("lyon", {"reason": "disks"}, of="ce lyon"),
    "ces_resume": Request("rome", {}, of="ce rome"),
    "ces_add_maintenance": Request(
        "lyon", {"reason": "disks", "ends_at": "2099-01-01T00:00:00Z"}, of="ce lyon"
    ),
    "ces_remove_maintenance": Request("rome {maintenance}", of="ce rome"),
    "vos_add_vo": Request(body={"name": "new"}, of="vo new"),
    "vos_change_vo": Request("cms", {"enabled": False}, of="vo cms"),
    "vos_remove_vo": Request("atlas", of="vo atlas"),
    "vos_set": Request("cms", {"script": "true"}, of="vo cms"),
    "vos_clear": Request("lhcb", of="vo lhcb"),
    "credentials_add": Request(
        body={"backend": "arc", "kind": "token", "path": "/nowhere", "vo": "cms"}, of="vo cms"
    ),
    "credentials_change": Request("all arc", {"path": "/nowhere"}, of="vo all"),
    "credentials_remove": Request("all arc", of="vo all"),
    "tokens_create": Request(body={"name": "new", "role": "read"}, of="token new"),
    "tokens_revoke": Request("read", of="token read"),
    "diracx_register": Request(
        body={"pilot_stamp": "ab" * 16, "vo": "default", "destination_site": "lyon"},
        of="pilot ",
    ),
    "tasks_set_schedule": Request("learn", {"every": 30}, of="task learn"),
}
"""Every operation that changes something."""

FOR_LHCB = {
    "my_pilots_submit": Request("lyon", query="vo=lhcb", of="ce lyon"),
    "pilots_cancel_matching": Request(
        body={"vo": "lhcb", "statuses": ["reserved"]}, of="pilot 1 pilots"
    ),
    "pilots_cancel": Request(body={"which": ["{lhcb reserved}"]}, of="pilot {lhcb reserved}"),
    "pilots_submit": Request("lyon", {"count": 2, "vo": "lhcb"}, of="ce lyon"),
    "diracx_register": Request(
        body={"pilot_stamp": "cd" * 16, "vo": "lhcb", "destination_site": "lyon"}, of="pilot "
    ),
    "vos_change_vo": Request("lhcb", {"demand": 5}, of="vo lhcb"),
    "vos_set": Request("lhcb", {"script": "true"}, of="vo lhcb"),
    "vos_clear": Request("lhcb", of="vo lhcb"),
}
"""Requests that the token of a VO may send, for its own VO."""

LOOKING = {
    "my_pilots_summary": Request(),
    "overview_overview": Request(),
    "overview_plan": Request(body={}),
    "overview_trend": Request(query="hours=6"),
    "overview_list_decisions": Request(),
    "me": Request(),
    "diracx_search": Request(body={}),
    "diracx_summary": Request(body={"grouping": ["Status"]}),
    "tokens_token_names": Request(),
    "overview_summary": Request(query="since=2020-01-01T00:00:00Z"),
    "overview_stored": Request(query="since=2020-01-01T00:00:00Z"),
    "overview_sums_of": Request(query="since=2020-01-01T00:00:00Z"),
    "overview_recorded": Request(query="since=2020-01-01T00:00:00Z"),
    "overview_metrics": Request(),
    "pilots_list_pilots": Request(),
    "pilots_count_active": Request(query="ce=lyon"),
    "pilots_show_pilot": Request("{running}"),
    "pilots_output": Request("{sent}"),
    "ces_list_ces": Request(),
    "ces_ce_names": Request(),
    "ces_show_ce": Request("lyon"),
    "ces_history": Request("rome"),
    "ces_calls_of": Request("lyon", query="since=2020-01-01T00:00:00Z"),
    "ces_explain": Request("lyon"),
    "ces_maintenances_of": Request(),
    "vos_list_vos": Request(),
    "vos_vo_names": Request(),
    "vos_show_vo": Request("lhcb"),
    "vos_above_limit": Request("cms"),
    "vos_of_vo": Request("lhcb"),
    "vos_answer_of": Request("lhcb"),
    "vos_capacity_of": Request("lhcb"),
    "vos_show": Request("lhcb"),
    "credentials_list_all": Request(),
    "credentials_show": Request("all arc"),
    "credentials_useless": Request("arc token"),
    "tokens_list_tokens": Request(),
    "tasks_list_tasks": Request(),
    "events_events": Request(),
    "problems_page": Request("unknown-ce"),
    "health_ready": Request(),
    "health_metrics": Request(),
}
"""Every operation that changes nothing and needs a role."""


def fill(value: Any, site: Site) -> Any:
    """Replace the names of numbers by the numbers of a site."""
    if isinstance(value, dict):
        return {key: fill(one, site) for key, one in value.items()}
    if isinstance(value, list):
        return [fill(one, site) for one in value]
    if not isinstance(value, str):
        return value
    for name, number in {**site.pilots, "maintenance": site.maintenance}.items():
        value = value.replace(f"{{{name}}}", str(number))
    return value


def address(path: str, request: Request, site: Site) -> str:
    """Return the path of an operation with the values of a request, and its query."""
    *heads, last = [part.partition("{")[0] for part in path.split("}")]
    values = fill(request.path, site).split()
    assert len(heads) == len(values), (path, values)
    path_of_values = "".join(head + value for head, value in zip(heads, values, strict=True)) + last
    return f"{path_of_values}?{request.query}" if request.query else path_of_values
