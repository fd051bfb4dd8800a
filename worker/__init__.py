"""Pilotage keeps pools of pilot jobs alive on Compute Elements.

The layers, from the doors down; each imports only what stands below it, and the build checks it:

    celery               the application of `celery -A worker`; when installed, -A pilotage
    cli, messaging, web  the doors: for people, for Celery, for requests over HTTP
    embedded             the processes that `pilotage up` starts
    wiring               the one place that builds things from the settings
    logs                 where the log of a process goes, and its format
    settings             values from variables and a file
    services             what is done: tasks (periodic), operate (by people), observe (read only)
    demand               where the demand of a VO comes from: contract, registry, sources
    backends             where pilots go: contract, registry, one folder each
    db                   what we remember: tables, unit of work, queries, chains
    plugins              loads the entry points of this and other distributions
    tracing              spans for OpenTelemetry, if it is configured
    simulation           made-up worlds on which policies are compared; pure
    policy               who gets how many, what is learnt, what an answer means; pure
    domain               what things are: words and rules; pure

To read it, begin with these files, in this order:

    domain/pilot.py               statuses, causes, and the only moves
    policy/allocation.py          who gets how many
    db/uow.py                     one transaction, visible as one indented block
    db/mover.py                   the history first, then the move
    db/pilots.py                  reserve, claim, cancel, check
    services/ce_calls.py          a call of a CE: the turn, the call, the record of its outcome
    services/tasks/dispatch.py    claim, call, record: the story of a submission
    policy/judgement.py           what an answer, a listing or a silence means
    services/tasks/reconcile.py   settles the pilots in doubt after a crash, by a listing of the CE
    backends/contract.py          what a back-end must do
    messaging/app.py              the Celery application
    services/endpoints.py         which request to the API calls which action
"""
