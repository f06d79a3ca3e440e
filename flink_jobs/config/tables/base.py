"""Base of all tables of a configuration."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

# A moment and such a time added up are an integer of 64 bits, as timers and the state hold them.
_LARGEST = 2**53 - 1
PositiveInt = Annotated[int, Meta(ge=1, le=_LARGEST)]
NonNegativeInt = Annotated[int, Meta(ge=0, le=_LARGEST)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Level = Annotated[float, Meta(gt=0.0, lt=1.0)]


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """A TOML table whose keys are all known."""


class Problem(Struct, frozen=True):
    """One thing wrong with a configuration: the key, what is wrong and what is allowed."""

    key: str
    wrong: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.key}: {self.wrong}; allowed: {self.allowed}"


class ConfigError(ValueError):
    """A configuration that cannot be used; ``problems`` lists everything found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[list[Problem]]]:
        # Processes of a comparison hand it on; by itself it would be made of its own message.
        return type(self), (self.problems,)
