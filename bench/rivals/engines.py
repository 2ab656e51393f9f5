"""The engines that compare.py times. Each has step() and decode(), which do the work once and return seconds."""
import gc
import json
import multiprocessing
import pathlib
import subprocess
import time
import warnings

import numpy

PROMPT = "a futuristic cityscape in the style of Van Gogh"
TIMESTEP = 500


class Torch:
    """Eager PyTorch through diffusers' modules, channels_last, the fastest layout it has on a CPU."""

    dtype = "float32"

    def __init__(self, options):
        import torch
        from diffusers import AutoencoderKL, UNet2DConditionModel

        torch.set_num_threads(options.threads)
        dtype = getattr(torch, self.dtype)
        self.torch = torch

        def load(cls, part):
            return cls.from_pretrained(pathlib.Path(options.model) / part, torch_dtype=dtype).eval().to(memory_format=torch.channels_last)

        self.unet, self.vae = load(UNet2DConditionModel, "unet"), load(AutoencoderKL, "vae")
        self.x, self.context, self.z = (t.to(dtype) for t in example_inputs(torch, options, self.unet.config.cross_attention_dim))

    def step(self):
        with self.torch.inference_mode():
            return timed(lambda: self.unet(self.x, TIMESTEP, self.context))

    def decode(self):
        with self.torch.inference_mode():
            return timed(lambda: self.vae.decode(self.z))


class TorchBfloat16(Torch):
    dtype = "bfloat16"


class TorchFloat16(Torch):
    dtype = "float16"


class OpenVino:
    """OpenVINO's CPU plugin on the same modules, converted from PyTorch at a fixed shape.

    The conversion is kept in a folder (--openvino-folder): it takes minutes and three copies of the weights, so it is done by
    another process. The weights there are float16, exact for checkpoints of that type; the arithmetic is what `precision` says.
    """

    precision = "f32"

    def __init__(self, options):
        import openvino

        folder = pathlib.Path(options.openvino_folder) / f"{pathlib.Path(options.model).name}_{options.width}x{options.height}"
        if not (folder / "decode.xml").exists():
            process = multiprocessing.get_context("spawn").Process(target=convert_for_openvino, args=(options, folder))
            process.start()
            process.join()
        settings = {"INFERENCE_PRECISION_HINT": self.precision, "INFERENCE_NUM_THREADS": options.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
        core = openvino.Core()
        self.requests = {part: core.compile_model(folder / f"{part}.xml", "CPU", settings).create_infer_request() for part in ("step", "decode")}
        self.inputs = {part: dict(numpy.load(folder / f"{part}.npz")) for part in self.requests}

    def run(self, part):
        inputs = list(self.inputs[part].values())
        return timed(lambda: self.requests[part].infer(inputs))

    def step(self):
        return self.run("step")

    def decode(self):
        return self.run("decode")


class OpenVinoBfloat16(OpenVino):
    precision = "bf16"


class OpenVinoFloat16(OpenVino):
    precision = "f16"


class Impasto:
    """`impasto bench`, once a turn: like the others' turns, its one round follows one that warms up."""

    dtype = "float32"

    def __init__(self, options):
        self.options, self.report = options, None

    def step(self):
        o = self.options
        command = [o.impasto, "bench", "--model", o.model, "--rounds", "1", "--width", str(o.width), "--height", str(o.height), "--threads", str(o.threads), "--dtype", self.dtype, "--json"]
        self.report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        return self.report["unet_step_ms"] / 1000

    def decode(self):
        return self.report["vae_decode_ms"] / 1000


class ImpastoBfloat16(Impasto):
    dtype = "bfloat16"


class ImpastoFloat16(Impasto):
    dtype = "float16"


ENGINES = {
    "impasto": Impasto, "impasto-bf16": ImpastoBfloat16, "impasto-f16": ImpastoFloat16,
    "torch": Torch, "torch-bf16": TorchBfloat16, "torch-f16": TorchFloat16,
    "openvino": OpenVino, "openvino-bf16": OpenVinoBfloat16, "openvino-f16": OpenVinoFloat16,
}


def example_inputs(torch, options, width):
    """Latents of both halves of guidance, their contexts, and latents to decode."""
    h, w = options.height // 8, options.width // 8
    generator = torch.Generator().manual_seed(1)
    return (torch.randn((2, 4, h, w), generator=generator).contiguous(memory_format=torch.channels_last), torch.randn((2, 77, width), generator=generator),
            torch.randn((1, 4, h, w), generator=generator).contiguous(memory_format=torch.channels_last))


def convert_for_openvino(options, folder):
    import openvino
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    class OnlySample(torch.nn.Module):
        """Gives the plain tensor that a converter can trace; holds the module so that its parameters are found."""

        def __init__(self, owner, call):
            super().__init__()
            self.owner, self.call = owner, call

        def forward(self, *inputs):
            return self.call(*inputs, return_dict=False)[0]

    def convert(part, module, call, inputs):
        with torch.no_grad():
            model = openvino.convert_model(OnlySample(module, call).eval(), example_input=inputs, input=[tuple(t.shape) for t in inputs])
        openvino.save_model(model, folder / f"{part}.xml", compress_to_fp16=True)
        numpy.savez(folder / f"{part}.npz", *(t.numpy() for t in inputs))

    warnings.simplefilter("ignore")
    folder.mkdir(parents=True, exist_ok=True)
    unet = UNet2DConditionModel.from_pretrained(pathlib.Path(options.model) / "unet", torch_dtype=torch.float32).eval()
    x, context, z = example_inputs(torch, options, unet.config.cross_attention_dim)
    convert("step", unet, unet.forward, (x, torch.tensor(TIMESTEP), context))
    del unet
    gc.collect()
    vae = AutoencoderKL.from_pretrained(pathlib.Path(options.model) / "vae", torch_dtype=torch.float32).eval()
    convert("decode", vae, vae.decode, (z,))


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
