"""Two small networks on this machine, close enough to the real ones that the same adapters publish to them.

It is where a newcomer's first post goes, and the judge in crash tests: it counts what was really accepted, duplicates too.
"""
