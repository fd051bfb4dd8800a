"""A real ARC CE on the loopback: A-REX with its REST interface, and the fork LRMS behind it.

    python -m tests.testbeds.arc up DIR        start it, or find it running; says how to use it
    python -m tests.testbeds.arc jobs DIR      list its jobs with their stamps, without a driver
    python -m tests.testbeds.arc down DIR      stop it, and remove the folder

It needs root, because A-REX changes to the user of each job. Missing packages are installed by apt
only with PILOTAGE_TESTBED_INSTALL=1. Outside of its folder it leaves only the packages and the user
of the jobs.
"""
