"""Where pilots go.

`contract.py` says what a back-end must do, `guard.py` stands around every driver, `registry.py`
knows who is installed, and `conformance/` judges. All back-ends stand on one floor:

    identities.py      who speaks to a CE; one VO's credential harms no other
    credentials.py     looking into the file of a credential
    shell.py           running other programs
    option_types.py    types of options that several have
    outputs.py         files of a pilot: what it wrote, without the middle of it
    ranges.py          runs of numbers, in few words
    remembered.py      answers that a process got not long ago

A file with the same name has the same role in each of them, where the role exists:

    driver.py      what the contract asks for          options.py   the options of a CE
    client.py      how the CE is asked                 submit.py    how pilots are sent
    look.py        how jobs are looked for             answers.py   what the CE says, read
    states.py      what its words mean                 output.py    what pilots wrote
    memory.py      what is remembered, and its tables  names.py     names of jobs
"""
