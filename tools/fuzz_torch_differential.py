#!/usr/bin/env python3
"""Compares which files of torch.save our reader accepts, and what it reads, with torch.load(weights_only=True), on files made wrong in many small ways.

Usage: tools/fuzz_torch_differential.py CHECKER [--files N] [--seed S]
Needs torch. CHECKER is build/.../tests/weights_checker (tests/weights/weights_checker.cc), which answers each file with a line "ok TENSORS" or "no KIND MESSAGE".

Refusing more than torch is allowed (its unpickler takes sets, sizes, quantised tensors, ..., and looks at a container less closely). Accepting what torch refuses must have one of the
reasons in LAXER, and a file that both accept must hold the same tensors: anything else is printed, and is a bug here.
"""
import argparse
import collections
import io
import pickletools
import random
import struct
import warnings
import zipfile
import zlib

import torch
from weights_checker import our_answers

# What torch says of files that we may read all the same, and why.
LAXER = {
    "operand 148": "MEMOIZE and", "operand 149": "FRAME of protocol 4, which torch does not take here", "operand 50 ": "DUP, which does no harm",
    "codec can't decode": "texts beside the tensors may be anything; names may not", "unhashable": "keys that are no texts are passed over",
    "multidisk": "the disk's number in an entry is not looked at; the archive's is", "expected dict, got": "what stands before the state dict in a legacy file is looked at less closely",
    "requires_grad must": "whether a tensor is trained, and hooks, do not matter here:", "'require_grad'": "likewise,", "_rebuild_tensor_v2()": "likewise",
    "unsupported encryption": "a flag that masks headers says nothing of bytes that are as they should be", "record size": "a storage that no tensor lies in",
    "invalid literal for int": "numbers that nobody asks for",
    "ModelCheckpoint": "Lightning's marks beside the tensors are taken for inert here", "numpy": "NumPy's numbers likewise",
}
OPCODES = [op.code.encode("latin-1") for op in pickletools.opcodes]
GLOBALS = [b"cos\nsystem\n", b"c__builtin__\neval\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"ccollections\nOrderedDict\n", b"ctorch\nHalfStorage\n", b"cbuiltins\nset\n"]
NUMBERS = [0, 1, 2, 3, 4, 8, 127, 128, 255, 256, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1]


def state_dict(r):
    dtypes = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool]
    tensors = {}
    for name in r.sample(["a", "b.weight", "c", "model.d", "e\u00e9"], r.randint(0, 4)):
        shape = [r.choice([0, 1, 2, 3, 5]) for _ in range(r.randint(0, 4))]
        tensor = (torch.randn(shape, generator=torch.Generator().manual_seed(r.randrange(1000))) * 8).to(r.choice(dtypes))
        if tensor.dim() >= 2 and r.random() < 0.3:
            tensor = tensor.transpose(0, 1)
        if tensor.dim() >= 1 and tensor.shape[0] > 1 and r.random() < 0.2:
            tensor = tensor[1:]
        tensors[name] = torch.nn.Parameter(tensor, requires_grad=False) if r.random() < 0.1 else tensor
    if r.random() < 0.2:
        tensors["shared"] = next(iter(tensors.values()), torch.zeros(2))
    return tensors if r.random() < 0.7 else {"state_dict": tensors, "global_step": 5}


def mutated(r, data):
    at, length = r.randint(0, len(data)), r.randint(1, 10)
    kind = r.randrange(7)
    if kind == 0:
        return data[:at] + r.choice(OPCODES) + data[at:]
    if kind == 1:
        return data[:at] + data[at + length:]
    if kind == 2:
        return data[:at] + r.choice(GLOBALS) + data[at:]
    if kind == 3:
        begin = r.randint(0, len(data))
        return data[:at] + data[begin:begin + r.randint(1, 40)] + data[at:]
    if kind == 4:
        return data[:at] + struct.pack("<I", r.choice(NUMBERS))[:r.choice([1, 2, 4])] + data[at + length:]
    if kind == 5 and data:
        at = min(at, len(data) - 1)
        return data[:at] + bytes([data[at] ^ 1 << r.randrange(8)]) + data[at + 1:]
    return data[:at] + r.choice(OPCODES) + data[at + 1:]


def mutate_number(r, pickled):
    """A number of a shape, a stride, an offset or a size: the place where a file lies about memory."""
    places = [at for op, _, at in pickletools.genops(pickled) if op.name in ("BININT1", "BININT2", "BININT")]
    if not places:
        return pickled
    at = r.choice(places)
    size = {b"K": 1, b"M": 2, b"J": 4}[pickled[at:at + 1]]
    return pickled[:at] + b"J" + struct.pack("<i", r.choice([-2, -1, *NUMBERS[:-2]])) + pickled[at + 1 + size:]


def some_file(r):
    stream, zipped = io.BytesIO(), r.random() < 0.7
    torch.save(state_dict(r), stream, _use_new_zipfile_serialization=zipped, pickle_protocol=r.choice([2, 2, 2, 4]))
    data, times = stream.getvalue(), r.choice([0, 1, 1, 1, 2])
    if not zipped or r.random() < 0.15:
        for _ in range(times):
            data = mutated(r, data)
        return data
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith("data.pkl"):
                for _ in range(times):
                    content = mutate_number(r, content) if r.random() < 0.5 and pickle_is_whole(content) else mutated(r, content)
            target.writestr(entry.filename, content)
    return out.getvalue()


def pickle_is_whole(content):
    try:
        list(pickletools.genops(content))
        return True
    except Exception:  # any: pickletools raises whatever comes
        return False


def torch_answer(file):
    """Name -> [dtype, shape, checksum], and "" or what torch says."""
    try:
        loaded = torch.load(io.BytesIO(file), weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds
        return None, reason(f"{type(error).__name__}: {error}")
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict):
        return {}, ""
    tensors = {k: t.detach() for k, t in loaded.items() if isinstance(k, str) and isinstance(t, torch.Tensor)}
    return {k: described(t) for k, t in tensors.items()}, ""


def reason(message):
    """Of a long message of torch's the part that says what is wrong."""
    at = message.find("WeightsUnpickler error:")
    return " ".join((message[at:] if at >= 0 else message).split())[:200]


def described(tensor):
    if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        return None
    values = torch.empty(tensor.numel(), dtype=tensor.dtype)  # its strides are no one's but ours
    values.copy_(tensor.reshape(-1))
    raw = bytes(values.view(torch.uint8).numpy())
    return [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), zlib.crc32(raw) if raw else 0]


def same(ours, theirs):
    """Types that we do not compute with are compared by name alone."""
    return ours.keys() == theirs.keys() and all(value is None or theirs[name] is None or value == theirs[name] for name, value in ours.items())


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("checker")
    arguments.add_argument("--files", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    r = random.Random(arguments.seed)
    counts, bugs = collections.Counter(), 0
    for begin in range(0, arguments.files, 2000):
        files = [some_file(r) for _ in range(min(2000, arguments.files - begin))]
        for file, (ours, our_error) in zip(files, our_answers([arguments.checker, "torch"], files)):
            theirs, their_error = torch_answer(file)
            if ours is None and theirs is None:
                counts["both refuse"] += 1
            elif ours is None:
                counts["only we refuse"] += 1
                counts["only we refuse: " + " ".join(our_error.split(": ")[-1].split()[:7])] += 1
            elif theirs is not None and same(ours, theirs):
                counts["both accept"] += 1
            elif theirs is None and any(part in their_error for part in LAXER):
                counts["only torch refuses: inert here"] += 1
            else:
                bugs += 1
                name = f"torch-differential-{arguments.seed}-{bugs}.bin"
                with open(name, "wb") as out:
                    out.write(file)
                print(f"{name}: ours {ours}; torch {theirs} {their_error}")
    for what, count in sorted(counts.items()):
        print(f"{count:8} {what}")
    print(f"{bugs:8} differences")
    return 1 if bugs else 0


if __name__ == "__main__":
    raise SystemExit(main())
