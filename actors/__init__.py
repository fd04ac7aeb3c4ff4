"""Dramatiq: broker, middleware, actors, and the `carillon` command that puts the parts together."""
