"""What the prompts of a call are to the UNet, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np


@dataclass
class Encoded:
    """One text: a context [1, tokens, c], or several that take turns where the text changes on the way."""

    contexts: list[np.ndarray]
    pooled: list[np.ndarray | None]  # what each comes to as a whole, [1, k], where the model wants it
    turns: list[int] = field(default_factory=list)  # the context of each step; empty where there is but one

    def turn(self, step: int) -> int:
        return self.turns[step] if self.turns else 0


class Sides(NamedTuple):
    """What prompts and negative prompts are at a step: contexts [n, tokens, c], and what they come to as a whole, [n, k]; None where there is none."""

    positive: np.ndarray
    negative: np.ndarray | None
    pooled: np.ndarray | None = None
    negative_pooled: np.ndarray | None = None


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

    def at(self, step: int) -> Sides:
        both = [side for side in (self.positive, self.negative) if side is not None]
        sides = [[t.contexts[t.turn(step)] for t in side] for side in both]
        pooled = [self._all([t.pooled[t.turn(step)] for t in side]) for side in both]
        if self.one_length:
            equal = iter(_equally_long([context for side in sides for context in side]))
            sides = [[next(equal) for _ in side] for side in sides]
        contexts = [self._all(side) for side in sides]
        return Sides(contexts[0], contexts[1], *pooled) if self.negative is not None else Sides(contexts[0], None, pooled[0])

    def _all(self, rows: list[Any]) -> Any:
        return None if rows[0] is None else np.repeat(np.concatenate(rows), self.repeats, axis=0)


def given(embeds: np.ndarray, pooled: np.ndarray | None = None) -> list[Encoded]:
    """Of contexts that the caller brought."""
    return [Encoded([embeds[i : i + 1]], [None if pooled is None else pooled[i : i + 1]]) for i in range(len(embeds))]


def nothing(like: list[Encoded]) -> list[Encoded]:
    """What stands for no negative prompt in models that were trained so: zeros, as many as the prompts are long."""
    return [Encoded([np.zeros_like(t.contexts[0])], [None if t.pooled[0] is None else np.zeros_like(t.pooled[0])]) for t in like]


def added_conditions(names: dict[str, Any]) -> dict[str, Any] | None:
    """What a UNet of SDXL is told beside the contexts, as `added_cond_kwargs`, of what a call has by name; None for other models."""
    return {"text_embeds": names["add_text_embeds"], "time_ids": names["add_time_ids"]} if "add_text_embeds" in names else None


def _equally_long(contexts: list[np.ndarray]) -> list[np.ndarray]:
    """[1, tokens, c] each, repeated along the tokens up to one length: attention to something twice is attention to it once."""
    tokens = math.lcm(*(context.shape[1] for context in contexts))
    return [np.tile(context, (1, tokens // context.shape[1], 1)) for context in contexts]
