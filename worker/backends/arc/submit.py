"""Sending the jobs of one identity."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.backends.arc import memory
from worker.backends.arc.answers import code_of
from worker.backends.arc.client import Rest, RestReply, as_list, gathered
from worker.backends.arc.delegation import provide
from worker.backends.arc.description import SCRIPT, Description, bodies, describe
from worker.backends.arc.look import names
from worker.backends.arc.memory import JobRecord
from worker.backends.arc.names import read_name
from worker.backends.arc.session import Session
from worker.backends.identities import gravest
from worker.domain.ce_answers import Order, Receipt
from worker.domain.errors import BackendError, CredentialProblem, NotSent, Unavailable
from worker.domain.pilot import Cause
from worker.domain.texts import legible

log = logging.getLogger(__name__)

_FULL = ("no more jobs", "limit reached", "reached limit", "exceeds allowed limit")


@dataclass
class Progress:
    """The receipts so far, and whether the CE may have received anything at all."""

    receipts: list[Receipt] = field(default_factory=list)
    is_begun: bool = False


async def send(session: Session, rest: Rest, orders: Sequence[Order], progress: Progress) -> None:
    """Send pilots; add a receipt to `progress` as soon as the CE has answered an order."""
    receipts = progress.receipts
    delegated = await provide(session, rest)
    progress.is_begun = True
    described: list[Description] = []
    for order in orders:
        try:
            described.append(
                describe(order, session.ce.name, session.means.prefix, session.options, delegated)
            )
        except ValueError as error:
            receipts.append(_refusal(order, "payload", str(error)))
    # One request after another: if the call runs out of time, the earlier ones have receipts.
    problems = [
        await _send_some(session, rest, some, body, receipts)
        for some, body in bodies(described, session.options.jobs_per_request)
    ]
    errors = [problem for problem in problems if problem is not None]
    if errors and len(errors) == len(problems):
        raise gravest(errors)
    for problem in errors:
        log.warning("CE %s: a part of a submission is in doubt: %s", session.ce.name, problem)


async def _send_some(
    session: Session, rest: Rest, some: Sequence[Description], body: bytes, receipts: list[Receipt]
) -> BackendError | None:
    """Send the jobs of one request; return an error if it is unknown which jobs were accepted."""
    try:
        reply = await rest.new(body)
    except CredentialProblem as error:
        # The CE answered and accepted nothing.
        receipts.extend(
            _refusal(one.order, "credential", str(error), Cause.CREDENTIAL) for one in some
        )
        return None
    except BackendError as error:
        return error
    try:
        answered = await _receipts(session, rest, some, reply)
    except (CredentialProblem, NotSent) as error:
        # This error is about a later request for names; the jobs themselves were sent.
        return Unavailable(*error.details)
    except BackendError as error:
        return error
    # Stored before anything is uploaded: after a crash it is known which job waits for its file.
    accepted = [
        JobRecord(job=one.handle, stamp=one.stamp, owner=rest.access.owner)
        for one in answered
        if one.handle is not None
    ]
    session.note(lambda tx: memory.learn(tx, session.ce.name, accepted))
    uploads = {one.order.stamp: one.upload for one in some if one.upload is not None}
    receipts.extend(await gathered([_uploaded(rest, one, uploads) for one in answered]))
    return None


async def _receipts(
    session: Session, rest: Rest, some: Sequence[Description], reply: RestReply
) -> list[Receipt]:
    orders = [one.order for one in some]
    if reply.status >= 400 and _is_full(reply.reason):
        return [_refusal(order, str(reply.status), reply.reason, Cause.QUOTA) for order in orders]
    if reply.status not in (200, 201):
        raise rest.unexpected(reply)
    answers = [one for one in as_list(reply.json(session.ce.name), "job") if isinstance(one, dict)]
    if len(answers) == len(orders):
        return [_receipt(order, one) for order, one in zip(orders, answers, strict=True)]
    # Answers have no names. To find out which ones are missing, request the names of the jobs.
    ids = [str(one["id"]) for one in answers if one.get("id")]
    stamps = {order.stamp for order in orders}
    job_names = await names(rest, ids)
    named = {job: read_name(session.means.prefix, name) for job, name in job_names.items()}
    return [
        Receipt(stamp=one.stamp, handle=job, raw="Created")
        for job, one in named.items()
        if one is not None and one.stamp in stamps
    ]


def _receipt(order: Order, answer: dict[str, Any]) -> Receipt:
    reason = legible(str(answer.get("reason", "")))[:2000]
    if code_of(answer) in ("200", "201") and answer.get("id"):
        raw = legible(str(answer.get("state") or reason))
        return Receipt(stamp=order.stamp, handle=str(answer["id"]), raw=raw, reason=reason)
    cause = Cause.QUOTA if _is_full(reason) else Cause.REFUSED
    return _refusal(order, code_of(answer), reason, cause)


async def _uploaded(rest: Rest, receipt: Receipt, uploads: dict[str, bytes]) -> Receipt:
    """Upload the script for which a job waits; if that fails, kill the job, if the CE accepts."""
    script = uploads.get(receipt.stamp)
    if script is None or receipt.handle is None:
        return receipt
    url = f"{rest.base}/jobs/{receipt.handle}/session/{SCRIPT}"
    try:
        reply = await rest.ask("PUT", url, content=script)
        if reply.status in (200, 201, 204):
            return receipt
        problem = f"its script was not accepted: {reply.status} {legible(reply.reason)}"
    except BackendError as error:
        problem = f"its script was not accepted: {error}"
    try:
        answer = (await rest.jobs("kill", [receipt.handle])).get(receipt.handle, {})
    except BackendError:
        answer = {}
    if code_of(answer) not in ("202", "404"):
        # The job stays at the CE, which gives it up by itself after a long wait.
        return receipt
    return Receipt(stamp=receipt.stamp, refused=Cause.REFUSED, raw="upload", reason=problem)


def _refusal(order: Order, raw: str, reason: str, cause: Cause = Cause.REFUSED) -> Receipt:
    return Receipt(stamp=order.stamp, refused=cause, raw=raw, reason=legible(reason))


def _is_full(reason: str) -> bool:
    return any(word in reason.lower() for word in _FULL)
