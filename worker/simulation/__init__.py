"""A made-up world of CEs that drives the real policy: to choose settings, and to judge policies.

Pure as the policy is: a scenario, a seed and a policy give always the same result.
"""
