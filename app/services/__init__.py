"""The use cases: the only code that changes documents."""
