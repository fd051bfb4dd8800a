"""Simulation of the policy in a made-up world of CEs: to choose parameters and compare policies.

It is as pure as the policy: the same scenario, seed and policy always give the same result.
"""
