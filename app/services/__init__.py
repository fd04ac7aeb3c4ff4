"""Use cases by domain, over ``app/engine``: writing, accounts, media, people, operations. The only code, beside the engine, that
changes documents."""
