"""Who gets how many, and when to look again. Pure: the same input gives the same output.

learned = learning.learn(state, events, now=now, configured=0.9)      per CE, new outcomes
evaluation = learning.evaluate(learned.state, now=now, configured=0.9)   chances and pause
decisions = three_chances(now=now, vo=vo, budget=budget, ces=ces)     per VO and tick
"""
