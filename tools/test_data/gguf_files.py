"""A GGUF file with a tensor of every type that is read, and the numbers that the gguf package makes of them, for tests/weights and as a seed."""
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter, quants
from safetensors.numpy import save_file

QUANTISABLE = (Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0)  # the package can write these
RANDOM = {Type.Q2_K: (84, (80, 82)), Type.Q3_K: (110, (108,)), Type.Q4_K: (144, (0, 2)), Type.Q5_K: (176, (0, 2)), Type.Q6_K: (210, (208,))}  # bytes, halves


def make(out):
    out.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    weights = (generator.standard_normal((6, 64)) * 0.1).astype(np.float32)
    weights[0, :32] = 0
    writer = GGUFWriter(out / "types.gguf", "sd1")
    writer.add_string("impasto.note", "a text")
    writer.add_uint32("some.number", 7)
    writer.add_array("some.texts", ["a", "b"])
    writer.add_array("some.numbers", [1.5, 2.5])
    expected = {"weights": weights}
    writer.add_tensor("f32", weights)
    writer.add_tensor("f16", weights.astype(np.float16))
    expected["f32"], expected["f16"] = weights, weights.astype(np.float16).astype(np.float32)
    bf16 = quants.quantize(weights, Type.BF16)
    writer.add_tensor("bf16", bf16, raw_dtype=Type.BF16)
    expected["bf16"] = quants.dequantize(bf16, Type.BF16)
    for kind in QUANTISABLE:
        packed = quants.quantize(weights, kind)
        writer.add_tensor(kind.name, packed, raw_dtype=kind)
        expected[kind.name] = quants.dequantize(packed, kind)
        expected[kind.name + ".bytes"] = packed
    for kind, (size, halves) in RANDOM.items():
        packed = generator.integers(0, 256, (3, 2 * size), dtype=np.uint8)
        for block in packed.reshape(-1, size):
            for at in halves:
                block[at:at + 2] = np.frombuffer(np.float16(generator.standard_normal() * 0.01).tobytes(), np.uint8)
        writer.add_tensor(kind.name, packed, raw_dtype=kind)
        expected[kind.name] = quants.dequantize(packed, kind)
    writer.add_tensor("cube", weights.reshape(6, 4, 4, 4))
    expected["cube"] = weights.reshape(6, 4, 4, 4)
    # as ComfyUI's converter stores a convolution
    writer.add_array("comfy.gguf.orig_shape.folded", [2, 3, 4, 16])
    writer.add_tensor("folded", quants.quantize(weights, Type.Q8_0), raw_dtype=Type.Q8_0)
    expected["folded"] = expected["Q8_0"].reshape(2, 3, 4, 16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file({name: np.ascontiguousarray(value) for name, value in expected.items()}, out / "expected.safetensors")
