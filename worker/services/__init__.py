"""What is done and looked at.

A service opens units of work and calls what is below; the runtime is its first argument.

    tasks/      what the schedules fire            operate/    what people have done
    observe/    what people and programs look at

What several of them need lies beside these:

    runtime.py         the first argument          turns.py           who works alone
    ce_calls.py        calling a CE                records.py         recording what it answered
    facts.py           what the policy may know    closings.py        why nothing may be sent
    current_demand.py  what VOs could use          log_lines.py       what a line is about
    credentials.py     whose credential is used    payloads.py        what pilots run
    allowed.py         who may have it done        requests.py        requests that are repeated
    standstill.py      whether tasks are done      vo_work.py         whether VOs have work
"""
