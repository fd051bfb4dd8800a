"""The back-ends: the kinds of CE to which pilots are sent.

`contract.py` defines what a back-end must do, `guard.py` wraps every driver, `registry.py` loads
the installed back-ends, and `conformance/` tests a back-end. All back-ends share these files:

    identities.py      the credentials that a CE is called with; the problem of one VO's credential
                       does not affect other VOs
    credentials.py     checks of credential files
    alike.py           what orders have in common that can be sent by one call
    shell.py           running other programs
    grace.py           the time that a pilot has to finish once it is asked to end
    option_types.py    types of options that several back-ends have
    outputs.py         files that a pilot wrote; the middle of a long one is left out
    json_text.py       JSON that others wrote
    ranges.py          runs of consecutive numbers
    remembered.py      answers that a process keeps for some seconds

In the folders of the back-ends, files of the same name have the same role, where the role exists:

    driver.py      the driver of the contract          options.py   the options of a CE
    client.py      calls to the CE                     submit.py    sending pilots
    look.py        polling and listing jobs            answers.py   reading the CE's answers
    states.py      the meaning of the CE's states      output.py    the output of pilots
    memory.py      what is remembered, and its tables  names.py     names of jobs
"""
