"""ControlNets through the Python package, without torch. Beside diffusers: test_diffusers_adapters.py."""

import shutil

import numpy as np
import pytest
from golden import DATA, cases
from PIL import Image
from test_golden import check

import impasto
from impasto import ControlNetModel, StableDiffusionControlNetImg2ImgPipeline, StableDiffusionControlNetInpaintPipeline, StableDiffusionControlNetPipeline

NET = str(DATA / "adapters" / "controlnet")
QUICK = dict(num_inference_steps=4, generator=5, output_type="latent")
EDGES = Image.fromarray(((np.arange(64 * 48 * 3) // 30 % 2) * 255).astype(np.uint8).reshape(48, 64, 3))


@pytest.fixture(scope="module")
def net():
    return ControlNetModel.from_pretrained(NET)


@pytest.fixture
def led(tiny, net):
    pipe = StableDiffusionControlNetPipeline.from_pretrained(tiny, controlnet=net)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe, *args, **kwargs):
    return np.asarray(pipe(*args, **{**QUICK, **kwargs}).images)


@pytest.mark.parametrize("case", [c for c in cases("adapters") if c.name.startswith("adapters/control") and "controls" in c.settings], ids=lambda c: c.name)
def test_equals_diffusers(case, net):
    controls = case.settings["controls"]
    several = len(controls) > 1
    pictures = [Image.fromarray(case[f"control_{i}"]) for i in range(len(controls))]
    kind = StableDiffusionControlNetImg2ImgPipeline if "image" in case else StableDiffusionControlNetPipeline
    pipe = kind.from_pretrained(case.checkpoint, controlnet=[net] * len(controls) if several else net)
    pipe.set_progress_bar_config(disable=True)
    names = {"controlnet_conditioning_scale": "scale", "control_guidance_start": "start", "control_guidance_end": "stop"}
    more = {ours: [c[theirs] for c in controls] if several else controls[0][theirs] for ours, theirs in names.items()}
    more["control_image" if "image" in case else "image"] = pictures if several else pictures[0]
    if "image" in case:
        more["image"] = Image.fromarray(case["image"])
    case.record = {**case.record, "settings": {k: v for k, v in case.settings.items() if k != "controls"}}
    check(pipe, case, **more)


def test_follows_the_picture_as_far_as_it_is_told(pipe, led):
    plain = draw(pipe, "a boat", height=48, width=64)
    follows = draw(led, "a boat", EDGES)
    assert follows.shape == plain.shape and not np.array_equal(follows, plain)
    np.testing.assert_array_equal(draw(led, "a boat", EDGES, controlnet_conditioning_scale=0.0), plain)
    assert not np.array_equal(draw(led, "a boat", EDGES, control_guidance_end=0.5), follows)
    guessed = draw(led, "a boat", EDGES, guess_mode=True)
    assert not np.array_equal(guessed, follows) and not np.array_equal(guessed, plain)


def test_pictures_of_a_batch_are_those_drawn_alone(led):
    other = EDGES.rotate(90, expand=False)
    both = draw(led, ["a boat", "a tree"], [EDGES, other], num_images_per_prompt=2, generator=[1, 2, 3, 4])
    for k, (prompt, picture) in enumerate([("a boat", EDGES), ("a boat", EDGES), ("a tree", other), ("a tree", other)]):
        np.testing.assert_allclose(both[k : k + 1], draw(led, prompt, picture, generator=k + 1), atol=1e-4)


def test_callbacks_see_and_change_the_picture(led):
    shapes = []

    def blank(pipe, step, timestep, tensors):
        shapes.append(np.asarray(tensors["image"]).shape)
        return {"image": tensors["image"] * 0}

    changed = draw(led, "a boat", EDGES, callback_on_step_end=blank, callback_on_step_end_tensor_inputs=["image"])
    assert set(shapes) == {(2, 3, 48, 64)}
    assert not np.array_equal(changed, draw(led, "a boat", EDGES))


def test_tasks_share_the_networks(led, net):
    over = impasto.AutoPipelineForImage2Image.from_pipe(led)
    fill = impasto.AutoPipelineForInpainting.from_pipe(led)
    assert type(over) is StableDiffusionControlNetImg2ImgPipeline and type(fill) is StableDiffusionControlNetInpaintPipeline
    assert over.unet is fill.unet is led.unet and over.controlnet is fill.controlnet is net
    assert type(impasto.AutoPipelineForText2Image.from_pipe(led, controlnet=None)) is impasto.StableDiffusionPipeline
    picture = EDGES.rotate(180)
    assert not np.array_equal(draw(over, "a boat", picture, EDGES), draw(over, "a boat", picture, picture))
    with pytest.raises(ValueError, match="also made of controlnet"):
        StableDiffusionControlNetPipeline.from_pipe(impasto.AutoPipelineForText2Image.from_pipe(led, controlnet=None))
    mask = Image.new("L", EDGES.size)
    mask.paste(255, (8, 8, 40, 40))
    filled = draw(fill, "a boat", picture, mask, EDGES)
    assert filled.shape == (1, 4, 6, 8) and not np.array_equal(filled, draw(fill, "a boat", picture, mask, picture))
    whole = fill("a boat", picture, mask, EDGES, padding_mask_crop=8, num_inference_steps=2, generator=1).images[0]
    outside = np.asarray(mask) == 0
    np.testing.assert_array_equal(np.asarray(whole)[outside], np.asarray(picture)[outside])


def test_saved_with_the_checkpoint_and_found_there(led, net, tmp_path):
    led.controlnet = [net, net]
    led.save_pretrained(tmp_path / "saved")
    again = impasto.DiffusionPipeline.from_pretrained(tmp_path / "saved")
    again.set_progress_bar_config(disable=True)
    assert type(again) is StableDiffusionControlNetPipeline and len(again.controlnet.nets) == 2
    np.testing.assert_array_equal(draw(again, "a boat", [EDGES, EDGES]), draw(led, "a boat", [EDGES, EDGES]))


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(image=None), TypeError, "image must be passed"),
        (dict(image="edges.png"), TypeError, "image must be passed"),
        (dict(image=[EDGES, EDGES]), ValueError, "batch size"),
        (dict(controlnet_conditioning_scale=1), TypeError, "float"),
        (dict(control_guidance_start=0.5, control_guidance_end=0.5), ValueError, "0.5 to 0.5"),
        (dict(control_guidance_end=1.5), ValueError, "at most 1"),
        (dict(control_guidance_start=[0.0, 0.1], control_guidance_end=[0.5]), ValueError, "elements"),
        (dict(prompt=None), ValueError, "prompt"),
        (dict(height=50), None, None),  # brought down to a multiple of 8, as in diffusers
        (dict(num_images_per_prompt=0), ValueError, "num_images_per_prompt"),
    ],
    ids=str,
)
def test_mistakes(led, arguments, error, words):
    call = {"prompt": "a boat", "image": EDGES, **QUICK, "num_inference_steps": 1, **arguments}
    if error is None:
        led(**call)
        return
    with pytest.raises(error, match=words):
        led(**call)
    draw(led, "a boat", EDGES, num_inference_steps=1)


def test_mistakes_with_several(led, net):
    led.controlnet = [net, net]
    with pytest.raises(TypeError, match="type `list`"):
        draw(led, "a boat", EDGES)
    with pytest.raises(ValueError, match="2 ControlNets"):
        draw(led, "a boat", [EDGES])
    with pytest.raises(ValueError, match="different sizes"):
        draw(led, "a boat", [EDGES, EDGES.resize((32, 32))])
    with pytest.raises(ValueError, match="ControlNetModel"):
        led.controlnet = [net, led.unet]


def test_networks_that_do_not_fit(led, tiny, tmp_path):
    with pytest.raises(ValueError, match="holds none"):
        StableDiffusionControlNetPipeline.from_pretrained(tiny)
    with pytest.raises(OSError, match="config.json"):
        ControlNetModel.from_pretrained(tmp_path)
    with pytest.raises(NotImplementedError, match="ControlNetModel"):
        ControlNetModel.from_pretrained(tiny, subfolder="unet")
    damaged = shutil.copytree(NET, tmp_path / "damaged")
    (damaged / "diffusion_pytorch_model.safetensors").write_bytes(b"none")
    with pytest.raises(OSError):
        ControlNetModel.from_pretrained(damaged)


def test_shapes_that_do_not_fit(led, net):
    x, context = np.zeros((2, 4, 6, 8), np.float32), np.zeros((2, 77, 32), np.float32)
    picture = np.zeros((1, 3, 48, 64), np.float32)
    down, mid = net(x, 5, context, picture, return_dict=False)
    led.unet(x, 5, context, down_block_additional_residuals=down, mid_block_additional_residual=mid)
    with pytest.raises(ValueError, match="controlnet_cond has shape"):
        net(x, 5, context, picture[:, :, :40])
    with pytest.raises(ValueError, match="residual 2 of the way down"):
        led.unet(x, 5, context, down_block_additional_residuals=[*down[:2], down[2][:1], *down[3:]], mid_block_additional_residual=mid)
    with pytest.raises(ValueError, match="residuals for the way down"):
        led.unet(x, 5, context, down_block_additional_residuals=down[:3], mid_block_additional_residual=mid)
    with pytest.raises(NotImplementedError, match="go together"):
        led.unet(x, 5, context, down_block_additional_residuals=down)
    with pytest.raises(ValueError, match="3 values for 2"):
        net(x, [1, 2, 3], context, picture)


def test_single_file_is_the_same_as_the_folder(tiny, net, tmp_path):
    shutil.copy(DATA / "adapters" / "controlnet" / "diffusion_pytorch_model.safetensors", tmp_path / "net.safetensors")
    rng = np.random.default_rng(0)
    numbers = [rng.standard_normal(shape, dtype=np.float32) for shape in ((1, 4, 8, 8), (1, 77, 32))]
    seen = numbers[0], 500, numbers[1], rng.random((1, 3, 64, 64), dtype=np.float32)
    for config in (NET, tiny):  # its own config, or that of the model that it is for
        one = ControlNetModel.from_single_file(tmp_path / "net.safetensors", config=config)
        np.testing.assert_array_equal(one(*seen).mid_block_res_sample, net(*seen).mid_block_res_sample)
    beside = ControlNetModel.from_single_file(DATA / "adapters" / "controlnet" / "diffusion_pytorch_model.safetensors")
    assert beside.config == net.config
    pipe = StableDiffusionControlNetPipeline.from_pretrained(tiny, controlnet=one)
    assert draw(pipe, "a boat", EDGES).shape == (1, 4, 6, 8)


@pytest.mark.parametrize(
    "kind, name, config, error, words",
    [
        (ControlNetModel, "net", None, NotImplementedError, "config"),  # no published network is so small
        (ControlNetModel, "vae", None, OSError, "holds no ControlNet"),
        (ControlNetModel, "none", None, OSError, "no such file"),
        (ControlNetModel, "net", "here", OSError, "unet/config.json"),
        (impasto.AutoencoderKL, "unet", None, OSError, "holds no VAE"),
        (impasto.AutoencoderKL, "vae", "here", OSError, "vae/config.json"),
    ],
)
def test_single_files_that_do_not_do_are_refused(tiny, tmp_path, kind, name, config, error, words):
    shutil.copy(DATA / "adapters" / "controlnet" / "diffusion_pytorch_model.safetensors", tmp_path / "net.safetensors")
    for network in ("unet", "vae"):
        shutil.copy(f"{tiny}/{network}/diffusion_pytorch_model.safetensors", tmp_path / f"{network}.safetensors")
    with pytest.raises(error, match=words):
        kind.from_single_file(tmp_path / f"{name}.safetensors", config=config and tmp_path)


def test_vae_in_a_single_file_is_the_same_as_the_folder(pipe, tiny, tmp_path):
    shutil.copy(f"{tiny}/vae/diffusion_pytorch_model.safetensors", tmp_path / "vae.safetensors")
    one = impasto.AutoencoderKL.from_single_file(tmp_path / "vae.safetensors", config=tiny)
    z = np.random.default_rng(0).standard_normal((1, 4, 8, 8), dtype=np.float32)
    np.testing.assert_array_equal(one.decode(z).sample, pipe.vae.decode(z).sample)
    assert one.config.scaling_factor == pipe.vae.config.scaling_factor
