"""What the prompts of a call are to the UNet, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Encoded:
    """One text: a context [1, tokens, c], or several that take turns where the text changes on the way."""

    contexts: list[np.ndarray]
    turns: list[int] = field(default_factory=list)  # the context of each step; empty where there is but one

    def at(self, step: int) -> np.ndarray:
        return self.contexts[self.turns[step] if self.turns else 0]


@dataclass
class Texts:
    """The texts of a batch; each counts for `repeats` pictures in a row."""

    positive: list[Encoded]
    negative: list[Encoded] | None  # None without guidance
    repeats: int
    one_length: bool  # whether all have to be brought to one number of tokens

    def changes_between(self, one: int, other: int) -> bool:
        """Whether two steps are led by different texts."""
        return any(t.turns and t.turns[one] != t.turns[other] for t in [*self.positive, *(self.negative or [])])

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Contexts [n, tokens, c] of the prompts, and of the negative prompts."""
        sides = [[t.at(step) for t in side] for side in (self.positive, self.negative) if side is not None]
        if self.one_length:
            equal = iter(_equally_long([context for side in sides for context in side]))
            sides = [[next(equal) for _ in side] for side in sides]
        positive, *negative = (np.repeat(np.concatenate(side), self.repeats, axis=0) for side in sides)
        return positive, negative[0] if negative else None


def given(embeds: np.ndarray) -> list[Encoded]:
    """Of contexts that the caller brought."""
    return [Encoded([embeds[i : i + 1]]) for i in range(len(embeds))]


def _equally_long(contexts: list[np.ndarray]) -> list[np.ndarray]:
    """[1, tokens, c] each, repeated along the tokens up to one length: attention to something twice is attention to it once."""
    tokens = math.lcm(*(context.shape[1] for context in contexts))
    return [np.tile(context, (1, tokens // context.shape[1], 1)) for context in contexts]
