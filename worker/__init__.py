"""Pilotage keeps pools of pilot jobs alive on Compute Elements.

The rooms, from the doors down; each imports only what stands below it, and the build checks it:

    celery      where `celery -A worker` looks, and `celery -A pilotage` in an installation
    cli, tasks  the doors for people and for Celery
    embedded    the processes that `pilotage up` starts
    wiring      the one place that builds things from the settings
    settings    values from variables and a file
    services    what is done: tasks by themselves, operate by people, observe for those who look
    demand      where the demand of a VO comes from: contract, registry, sources
    backends    where pilots go: contract, registry, one folder each
    db          what we remember: tables, unit of work, queries, chains
    simulation  made-up worlds on which policies are compared; pure
    policy      who gets how many, when to ask again; pure
    domain      what things are: words and rules; pure

To read it, begin with domain/pilot.py, db/uow.py, db/mover.py, db/pilots.py, db/chains.py and
services/operate/database.py.
"""
