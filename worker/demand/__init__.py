"""Demand sources: endpoints, commands, queries, queues and schedulers that say how many pilots a VO
wants, and those of plug-ins.
"""
