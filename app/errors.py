"""What a use case says when it cannot do what a person asked. Routes turn these into pages."""

from collections.abc import Mapping


class NotFound(Exception):
    """There is no such thing in this workspace; another workspace's thing is no such thing either."""


class Invalid(Exception):
    """The input cannot be used as it is. ``problems`` maps a form field to a sentence; ``""`` is the form as a whole."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = dict(problems)


class TooLate(Exception):
    """The change came after the fence; ``message`` tells the person what is happening instead."""

    def __init__(self, message: str = "Too late: it is being sent right now.") -> None:
        super().__init__(message)
        self.message = message
