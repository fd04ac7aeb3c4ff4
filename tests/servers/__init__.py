"""Private servers for the tests, each one module with ``start(folder) -> Server``.

They listen on loopback and on free ports, keep everything in the folder they are given, and die with the test run. A server that
cannot be had on this machine says so through ``missing()``: the reason and the remedy in one sentence.
"""
