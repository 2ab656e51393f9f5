"""Golden cases on disk: tensors in GROUP.safetensors under "CASE/TENSOR", everything else in manifest.json, one case a line."""
import contextlib
import json
import platform
import sys

import diffusers
import torch
import transformers
from diffusers.utils import torch_utils
from safetensors.torch import save_file


class Store:
    def __init__(self, folder):
        self.folder, self.tensors, self.rows = folder, {}, []

    def add(self, name, settings=None, inputs=None, outputs=None, tolerance=None, **fields):
        """One case; its group is the first word of its name. `fields` are further entries of its row (checkpoint, text, ids)."""
        group = name.split("/")[0]
        inputs, outputs = inputs or {}, outputs or {}
        for key, tensor in {**inputs, **outputs}.items():
            self.tensors.setdefault(group, {})[f"{name}/{key}"] = tensor.detach().clone().contiguous()
        row = {"name": name, "group": group, **fields, "settings": settings or {}, "inputs": list(inputs), "outputs": list(outputs)}
        self.rows.append(row | ({"tolerance": tolerance} if tolerance else {}))

    def write(self, keep_others=False):
        """keep_others: the groups that this store has no case of stay as they are on disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        manifest = self.folder / "manifest.json"
        kept = [row for row in json.loads(manifest.read_text())["cases"] if row["group"] not in self.tensors] if keep_others else []
        for group, tensors in self.tensors.items():
            path = self.folder / f"{group}.safetensors"
            save_file(tensors, path)
            path.chmod(0o644)
        made_with = {"python": platform.python_version(), "torch": torch.__version__.split("+")[0], "diffusers": diffusers.__version__,
                     "transformers": transformers.__version__}
        rows = ",\n".join(json.dumps(row) for row in kept + self.rows)
        manifest.write_text(f'{{"format": 1, "made_with": {json.dumps(made_with)}, "cases": [\n{rows}\n]}}\n')


def tolerance(result, better=(), floor=1e-6):
    """How far another correct float32 implementation may lie from `result`.

    `better` are runs of the same computation in float64 or from inputs moved by one rounding: the largest difference to them is the
    error that float32 is seen to make here. Eight times that allows another order of summation; `floor`, relative to the largest value,
    allows the few roundings that happened to cancel in the runs we made.
    """
    error = max((float((result.double() - b.double()).abs().max()) for b in better), default=0.0)
    largest = float(result.double().abs().max())
    return {"atol": float(f"{8 * error + floor * largest:.2e}"), "error": float(f"{error:.2e}"), "max_abs": float(f"{largest:.4g}")}


@contextlib.contextmanager
def drawing_in_float32(drawn=None):
    """Makes diffusers draw its noise as float32 also when a run is in float64, which would be another stream; keeps what was drawn."""
    original = torch_utils.randn_tensor

    def randn(shape, generator=None, device=None, dtype=None, layout=None):
        noise = original(shape, generator=generator, device=device, dtype=torch.float32, layout=layout)
        if drawn is not None:
            drawn.append(noise)
        return noise.to(dtype or torch.float32)

    users = [m for m in list(sys.modules.values()) if getattr(m, "__dict__", {}).get("randn_tensor") is original]
    for module in users:
        module.randn_tensor = randn
    try:
        yield
    finally:
        for module in users:
            module.randn_tensor = original


def seeded(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
