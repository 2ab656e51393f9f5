"""Settings that answer both as a dictionary and as attributes, as diffusers' configs do."""

from __future__ import annotations

import json
import os
from typing import Any, Mapping

_frozen = "the config cannot be changed in place; use `Class.from_config(config, name=value)`"


class FrozenDict(dict):
    """A dictionary that does not change, with its items as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the config has no {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(_frozen)

    def _refuse(self, *_: Any, **__: Any) -> None:
        raise TypeError(_frozen)

    __setitem__ = __delitem__ = pop = popitem = clear = update = setdefault = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return FrozenDict, (dict(self),)


def read_config(folder: str, name: str) -> dict[str, Any]:
    """The JSON object of a file in a folder. Raises OSError as diffusers does when it is not there or not JSON."""
    path = os.path.join(folder, name)
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except FileNotFoundError:
        raise OSError(f"{folder}: no {name} in it") from None
    except ValueError as error:
        raise OSError(f"{path} is not a valid JSON file: {error}") from None
    if not isinstance(value, Mapping):
        raise OSError(f"{path} should hold a JSON object")
    return dict(value)
