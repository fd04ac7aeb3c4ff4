"""Mastodon's twin, and a server that only speaks its API."""
