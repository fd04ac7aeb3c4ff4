"""A small server that emulates networks closely enough for the same adapters to publish to it over HTTP."""
