"""Small networks on this machine, close enough to the real ones that the same adapters publish to them.

It is where a newcomer's first post goes, and the judge in crash tests: it counts what was really accepted, duplicates too. Each
network is a folder that keeps to :mod:`platforms.sandbox.base`, and a line in :mod:`platforms.sandbox.networks`.
"""
