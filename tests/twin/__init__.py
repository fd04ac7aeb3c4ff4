"""The adapter for the sandbox's foundry, a network that exists for tests only: no production code knows it.

Tests register it where they need it; processes of their own are started from :mod:`tests.twin.actors` and :mod:`tests.twin.site`.
"""
