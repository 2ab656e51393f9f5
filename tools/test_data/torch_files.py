"""Files of torch.save: small state dicts in every container, and the tensors that they hold, for tests/weights and as seeds for the fuzzer."""
import collections
import sys
import types

import numpy
import torch
from safetensors.torch import save_file


def make(out):
    out.mkdir(parents=True, exist_ok=True)
    tensors = state_dict()
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, out / "expected.safetensors")
    checkpoint = {"state_dict": tensors, "global_step": 875000, "epoch": 3, "callbacks": {}, "pytorch-lightning_version": "1.4.2", "lr": 1e-4}
    torch.save(checkpoint, out / "zip.ckpt")
    torch.save(checkpoint, out / "legacy.ckpt", _use_new_zipfile_serialization=False)
    torch.save(tensors, out / "protocol4.pt", pickle_protocol=4)
    torch.save({"state_dict": tensors, "callbacks": {model_checkpoint(): {"best_model_score": numpy.float64(0.25)}}}, out / "lightning.ckpt")


def state_dict():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7
    return collections.OrderedDict(
        plain=base, transposed=base.t(), part=base[1:3, 2:5], column=base[:, 3], shared=base[2:], parameter=torch.nn.Parameter(base + 1),
        channels_last=torch.arange(120, dtype=torch.float32).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last), scalar=torch.tensor(3.5),
        empty=torch.empty(0, 3), half=base.half(), bfloat=base.bfloat16(), double=base.double(), int64=torch.arange(-2, 3), int32=torch.arange(5, dtype=torch.int32),
        uint8=torch.arange(5, dtype=torch.uint8), truth=torch.tensor([True, False]))


def model_checkpoint():
    """A class of the name of Lightning's, which published files hold as a key."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    for part in ("pytorch_lightning", "pytorch_lightning.callbacks", name):  # pickle looks whether it can be imported
        sys.modules[part] = types.ModuleType(part)
    sys.modules[name].ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})
    return sys.modules[name].ModelCheckpoint
