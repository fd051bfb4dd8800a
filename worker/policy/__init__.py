"""Decisions as pure functions: who gets how many pilots, what is learnt of CEs, when a pilot is
checked again. The same input gives the same output.

learned = learning.learn(state, events, now=now, configured=0.9)      per CE, new outcomes
evaluation = learning.evaluate(learned.state, now=now, configured=0.9)   chances and pause
decisions = three_chances(now=now, vo=vo, budget=budget, ces=ces)     per VO and tick
"""
