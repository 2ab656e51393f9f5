"""Watching a picture appear."""

from __future__ import annotations

from typing import Any, Callable


class LivePreview:
    """A `callback_on_step_end` that shows what the pictures look like so far: in a notebook in one place that changes, elsewhere wherever `show` puts them.

        pipe("a lighthouse", callback_on_step_end=impasto.LivePreview(every=2))

    Args:
        every: how many steps apart.
        method: as `preview` of the pipelines has it, "linear" (quick and rough) or "vae".
        show: called with a list of PIL pictures, one for each of the batch. Without it IPython's display is used, which notebooks have.
    """

    tensor_inputs: list[str] = []

    def __init__(self, every: int = 1, method: str = "linear", show: Callable[[list[Any]], None] | None = None):
        if every < 1:
            raise ValueError(f"every is {every}, and has to be at least 1")
        self._every, self._method, self._show = every, method, show
        self._handle: Any = None

    def __call__(self, pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if step % self._every == self._every - 1:
            (self._show or self._display)(pipe.preview(self._method))
        return tensors

    def _display(self, pictures: list[Any]) -> None:
        from IPython.display import display
        from PIL import Image

        sheet = Image.new("RGB", (sum(p.width for p in pictures), pictures[0].height))
        for i, picture in enumerate(pictures):
            sheet.paste(picture, (i * picture.width, 0))
        if self._handle is None:
            self._handle = display(sheet, display_id=True)
        else:
            self._handle.update(sheet)
