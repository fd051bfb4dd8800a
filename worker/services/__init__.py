"""What Pilotage does: actions on the data, and reading of it.

A service opens units of work and calls the layers below. Its first argument is the runtime. There
are two exceptions: what makes, migrates, backs up or checks a whole database takes this database,
which may not exist yet, and what the scheduler calls takes the database and a moment.

    tasks/      the periodic tasks                 operate/    actions of people
    observe/    read-only, for people and programs

Code that several of them share is beside these folders:

    runtime.py         the first argument          turns.py           one execution at a time
    ce_calls.py        calling a CE                records.py         recording its answers
    facts.py           input of the policy         closings.py        why nothing may be sent
    current_demand.py  the demand of VOs           log_lines.py       lines of the log
    credentials.py     states of credentials       payloads.py        what pilots run
    allowed.py         rights of callers           requests.py        callers of the API
    standstill.py      whether tasks are executed  vo_work.py         whether VOs have work
    endpoints.py       the table of the API        arguments.py       arguments in a request
"""
