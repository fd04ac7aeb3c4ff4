"""``make bench``: how punctual, how fast and how small Carillon is on this machine. Figures, not tests: nothing here can fail.

Each module measures one thing, with the processes an operator would run, against the sandbox networks. One clock serves all of
them: the sandbox notes when the first request for a text arrived (``GET /api/requests``), on the machine that also says when it
was due or clicked. docs/performance.md keeps the figures and explains them.
"""
