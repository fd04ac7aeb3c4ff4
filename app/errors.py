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


class GoneOut(TooLate):
    """It is on the networks, and what was sent is not changed here; it can be made a new post of."""

    def __init__(self) -> None:
        super().__init__("It went out already, and what was sent cannot be changed here. You can make a new post of it.")


class Conflict(TooLate):
    """Somebody else saved the same thing meanwhile; nothing was changed. The person has to see both versions."""

    def __init__(self, message: str = "Somebody else changed it meanwhile. Nothing was saved.") -> None:
        super().__init__(message)


class Unsure(Exception):
    """It can be done, but only if that is meant; ``message`` is the question."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class TooOften(Exception):
    """Done more often than anybody needs to; ``message`` tells the person when to go on, ``seconds`` a program."""

    def __init__(self, message: str, *, seconds: int) -> None:
        super().__init__(message)
        self.message = message
        self.seconds = seconds
