"""Pilotage keeps pools of pilot jobs alive on Compute Elements.

The layers, from the doors down; each imports only what stands below it, and the build checks it:

    celery               where `celery -A worker` looks, `celery -A pilotage` where it is installed
    cli, messaging, web  the doors for people, for Celery, and for requests
    embedded             the processes that `pilotage up` starts
    wiring               the one place that builds things from the settings
    logs                 where the log of a process goes, and in which form
    settings             values from variables and a file
    services             what is done: tasks by themselves, operate by people, observe to look
    demand               where the demand of a VO comes from: contract, registry, sources
    backends             where pilots go: contract, registry, one folder each
    db                   what we remember: tables, unit of work, queries, chains
    plugins              what other distributions bring by entry points
    tracing              spans for OpenTelemetry, if anybody wants them
    simulation           made-up worlds on which policies are compared; pure
    policy               who gets how many, what is learnt, what an answer means; pure
    domain               what things are: words and rules; pure

To read it, begin with these files, in this order:

    domain/pilot.py               statuses, causes, and the only moves
    policy/allocation.py          who gets how many
    db/uow.py                     one transaction, visible as one indent
    db/mover.py                   the history first, then the move
    db/pilots.py                  reserve, claim, cancel, check
    services/ce_calls.py          whoever calls a CE: the turn, the call, what is noted of it
    services/tasks/dispatch.py    claim, call, record: the story of a submission
    policy/judgement.py           what an answer, a listing or a silence means
    services/tasks/reconcile.py   what a crash left behind, settled by a listing of the CE
    backends/contract.py          what a back-end must do
    messaging/app.py              how Celery comes in
    services/endpoints.py         which request has which action done
"""
