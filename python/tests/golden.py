"""Reference results made with diffusers (docs/testing.md), read with NumPy alone."""

import json
import os
import pathlib
from dataclasses import dataclass

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
_TYPES = {"F32": np.float32, "F64": np.float64, "U8": np.uint8, "I32": np.int32, "I64": np.int64, "F16": np.float16}


def read_safetensors(path):
    """Name to array; the arrays are views of the mapped file."""
    raw = np.memmap(path, np.uint8, "r")
    size = int(raw[:8].view("<u8")[0])
    header = json.loads(raw[8 : 8 + size].tobytes())
    header.pop("__metadata__", None)
    return {
        name: raw[8 + size + t["data_offsets"][0] : 8 + size + t["data_offsets"][1]].view(_TYPES[t["dtype"]]).reshape(t["shape"])
        for name, t in header.items()
        if t["dtype"] in _TYPES
    }


@dataclass
class Case:
    record: dict
    checkpoint: str
    tensors: dict

    @property
    def name(self):
        return self.record["name"]

    @property
    def settings(self):
        return self.record["settings"]

    def __contains__(self, tensor):
        return f"{self.name}/{tensor}" in self.tensors

    def __getitem__(self, tensor):
        return np.array(self.tensors[f"{self.name}/{tensor}"])

    def check(self, tensor, found):
        """Holds `found` against the reference with the case's own tolerance (for 8-bit pictures, on its share of the values)."""
        wanted, tolerance = self[tensor], self.record["tolerance"][tensor]
        assert found.shape == wanted.shape
        error = np.abs(found.astype(np.float64) - wanted)
        limit = tolerance["atol"] if "atol" in tolerance else tolerance["rtol"] * np.abs(wanted).max()
        assert (error <= limit).mean() >= tolerance.get("share", 1), f"{self.name} {tensor}: off by {error.max():g}, allowed {limit:g}"


def cases(group):
    """The cases of checkpoints in tests/data, and in the folder that IMPASTO_GOLDEN names."""
    found = []
    for golden in (DATA / "golden", pathlib.Path(os.environ.get("IMPASTO_GOLDEN", ROOT.parent / "shared" / "golden"))):
        if not (golden / "manifest.json").exists():
            continue
        manifest = json.loads((golden / "manifest.json").read_text())
        records = [r for r in (manifest if isinstance(manifest, list) else manifest["cases"]) if r["group"] == group and "checkpoint" in r]
        if records:
            tensors = read_safetensors(golden / f"{group}.safetensors")
            found += [Case(r, str(golden.parent / "checkpoints" / r["checkpoint"]), tensors) for r in records]
    return found
