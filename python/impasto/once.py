"""Saying things once."""

from __future__ import annotations

import logging
from typing import Any

logger = logging.getLogger("impasto")
_said: set[str] = set()


def say_once(message: str) -> None:
    """Logs a warning the first time that the program has reason to."""
    if message not in _said:
        _said.add(message)
        logger.warning(message)


def accepted(name: str, result: Any = None) -> Any:
    """A method that diffusers has for saving GPU memory or the like, and that has nothing to do here."""

    def method(self: Any, *_: Any, **__: Any) -> Any:
        say_once(f"{name}() has nothing to do in Impasto: the engine plans memory and kernels by itself")
        return result

    method.__name__ = name
    method.__doc__ = "Accepted as diffusers has it; does nothing here, and says so once."
    return method
