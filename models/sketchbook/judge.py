"""The judge: a small classifier of the painter's pictures, read and run with numpy alone.

It names a picture's subject, style, time of day, the colour of its house or sails, its count, and the
shape and colour in each cell of a 3 x 3 grid. evaluate.py trains it on renders and never on what the
model draws; judge.safetensors holds its weights.

    python judge.py picture.png ...    # what the judge sees, a line of JSON each
"""

from __future__ import annotations

import json
import struct
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from world import COLOURS, SHAPES, STYLES, SUBJECTS, TIMES

WEIGHTS = Path(__file__).resolve().parent / "judge.safetensors"
# (output channels, stride) of the 3 x 3 convolutions, each followed by ReLU: 128 pixels to 8 x 8 x 96.
LAYERS = ((24, 2), (32, 2), (64, 2), (64, 1), (96, 2), (96, 1))
HEADS = {"subject": len(SUBJECTS), "style": len(STYLES), "time": len(TIMES) + 1, "colour": len(COLOURS) + 1, "count": 4}
CELL_HEADS = {"shape": len(SHAPES) + 1, "colour": len(COLOURS) + 1}
WINDOWS = ((0, 3), (2, 6), (5, 8))  # the rows or columns of the 8 x 8 map that make up a cell's


@dataclass(frozen=True)
class Verdict:
    """What the judge sees; "" where there is nothing. `cells` holds (shape, colour) row by row, nine in all."""

    subject: str
    style: str
    time: str
    colour: str
    count: int
    cells: tuple[tuple[str, str], ...]


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a float16 or float32 safetensors file, as float32."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, out = json.loads(raw[8 : 8 + length]), {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            kind = {"F16": np.float16, "F32": np.float32}[entry["dtype"]]
            out[name] = np.frombuffer(raw[8 + length + begin : 8 + length + end], kind).astype(np.float32).reshape(entry["shape"])
    return out


def _convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """3 x 3 convolution with padding 1 and ReLU: [c, h, w] to [o, h / stride, w / stride]."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
    out = np.tensordot(weight, views, axes=((1, 2, 3), (0, 3, 4))) + bias[:, None, None]
    return np.maximum(out, 0)


def _pool(x: np.ndarray) -> np.ndarray:
    """Mean and maximum of each channel: [c, h, w] to [2 c]."""
    return np.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))])


class Judge:
    def __init__(self, path: Path = WEIGHTS) -> None:
        self._w = read_safetensors(path)

    def look(self, picture: np.ndarray) -> Verdict:
        """Judges a picture, uint8 [h, w, 3]; another size than 128 x 128 is resized first."""
        if picture.shape[:2] != (128, 128):
            picture = np.asarray(Image.fromarray(picture).resize((128, 128), Image.Resampling.BOX))
        x = picture.astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
        for k, (_, stride) in enumerate(LAYERS):
            x = _convolve(x, self._w[f"conv{k}.weight"], self._w[f"conv{k}.bias"], stride)
        whole = self._w["whole.weight"] @ _pool(x) + self._w["whole.bias"]
        cells = [self._w["cell.weight"] @ _pool(x[:, r0:r1, c0:c1]) + self._w["cell.bias"] for r0, r1 in WINDOWS for c0, c1 in WINDOWS]
        return verdict(whole, np.stack(cells))


def verdict(whole: np.ndarray, cells: np.ndarray) -> Verdict:
    """Names for the heads' logits: whole [29], cells [9, 13]."""
    picks = [int(part.argmax()) for part in np.split(whole, np.cumsum(list(HEADS.values()))[:-1])]
    things = []
    for row in cells:
        shape, colour = int(row[: CELL_HEADS["shape"]].argmax()), int(row[CELL_HEADS["shape"] :].argmax())
        things.append((("", *SHAPES)[shape], ("", *COLOURS)[colour]))
    return Verdict(SUBJECTS[picks[0]], STYLES[picks[1]], (*TIMES, "")[picks[2]], ("", *COLOURS)[picks[3]], picks[4], tuple(things))


if __name__ == "__main__":
    judge = Judge()
    for name in sys.argv[1:]:
        print(json.dumps({"picture": name} | asdict(judge.look(np.asarray(Image.open(name).convert("RGB"))))))
