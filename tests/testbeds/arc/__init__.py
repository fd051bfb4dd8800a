"""A real ARC CE on the loopback: A-REX with its REST interface, and the fork LRMS behind it.

    python -m tests.testbeds.arc up DIR        start it, or find it running; says how to use it
    python -m tests.testbeds.arc jobs DIR      list its jobs with their stamps, without a driver
    python -m tests.testbeds.arc down DIR      stop it, and remove the folder

It needs root, for A-REX changes to the user of each job. What is not installed is installed by
apt only if PILOTAGE_TESTBED_INSTALL=1 says so. Outside of its folder there is nothing of it but
the packages and the user that jobs run as.
"""
