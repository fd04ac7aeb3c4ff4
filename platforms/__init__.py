"""Adapters: one folder per network, nothing but HTTP and values. The registry follows once an adapter exists."""
