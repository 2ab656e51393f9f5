"""LoRA, textual inversion and ControlNets beside diffusers and PEFT."""

import numpy as np
import pytest
from beside_diffusers import CLOSE, CONTROLLED, NET, TINY, both, diffusers, parameters, picture, torch
from golden import DATA
from PIL import Image

import impasto

pytestmark = pytest.mark.diffusers


class TestAdapters:
    """Beside PEFT, which diffusers needs for them."""

    @pytest.fixture(autouse=True)
    def needs_peft(self):
        pytest.importorskip("peft")

    def load(self, fresh, *names):
        for pipe in fresh:
            for name in names:
                pipe.load_lora_weights(DATA / "adapters", weight_name=f"lora_{name}.safetensors", adapter_name=name)

    def same(self, fresh):
        np.testing.assert_allclose(*both(fresh, "a boat at sunset"), **CLOSE)
        assert fresh[0].get_active_adapters() == fresh[1].get_active_adapters()
        assert fresh[0].get_list_adapters() == {k: sorted(v) for k, v in fresh[1].get_list_adapters().items()}

    def test_the_last_one_counts_until_one_says_otherwise(self, fresh):
        self.load(fresh, "kohya", "peft")
        self.same(fresh)

    def test_mixed_scaled_switched_off_deleted_and_unloaded(self, fresh):
        plain = both(fresh, "a boat at sunset")[0]
        self.load(fresh, "kohya", "peft")
        steps = [
            lambda pipe: pipe.set_adapters(["kohya", "peft"], [0.7, 0.4]),
            lambda pipe: pipe.set_adapters("kohya", 0.5),
            lambda pipe: pipe.set_adapters(["kohya"], [{"unet": 0.3, "text_encoder": 0.9}]),
            lambda pipe: pipe.delete_adapters("peft"),
        ]
        for step in steps:
            for pipe in fresh:
                step(pipe)
            self.same(fresh)
        fresh[0].disable_lora()
        np.testing.assert_array_equal(both(fresh[:1], "a boat at sunset")[0], plain)
        fresh[0].enable_lora()
        assert not np.array_equal(both(fresh[:1], "a boat at sunset")[0], plain)
        fresh[0].unload_lora_weights()
        np.testing.assert_array_equal(both(fresh[:1], "a boat at sunset")[0], plain)

    def test_fused_stays_when_unloaded(self, fresh):
        self.load(fresh, "kohya")
        for pipe in fresh:
            pipe.fuse_lora(lora_scale=0.6)
            pipe.unload_lora_weights()
        np.testing.assert_allclose(*both(fresh, "a boat at sunset"), **CLOSE)

    def test_mistakes_raise_what_diffusers_raises(self, fresh):
        self.load(fresh, "kohya")
        wrong = [
            lambda pipe: pipe.set_adapters("none"),
            lambda pipe: pipe.set_adapters(["kohya"], [1.0, 2.0]),
            lambda pipe: pipe.load_lora_weights(DATA / "adapters", weight_name="lora_peft.safetensors", adapter_name="kohya"),
            lambda pipe: pipe.load_lora_weights(DATA / "adapters", weight_name="none.safetensors"),
        ]
        for mistake in wrong:
            raised = []
            for pipe in fresh:
                with pytest.raises(Exception) as caught:
                    mistake(pipe)
                raised.append(caught.type)
            assert issubclass(raised[0], raised[1]), raised


class TestTextualInversion:
    FILES = DATA / "embeddings"

    def test_words_draw_what_they_draw_in_diffusers(self, fresh):
        vectors = torch.randn(2, fresh[1].text_encoder.config.hidden_size, generator=torch.Generator().manual_seed(3))
        for pipe in fresh:
            pipe.load_textual_inversion(self.FILES / "inkwash.safetensors", token="inkwash")
            pipe.load_textual_inversion(self.FILES, weight_name="learned.safetensors")
            pipe.load_textual_inversion({"<mine>": vectors})
        np.testing.assert_allclose(*both(fresh, "a boat in inkwash, <sea-light> and <mine>", negative_prompt="<sea-light>"), **CLOSE)
        for pipe in fresh:
            pipe.unload_textual_inversion("<sea-light>")
        np.testing.assert_allclose(*both(fresh, "a boat in inkwash and <mine>"), **CLOSE)

    @pytest.mark.parametrize(
        "mistake",
        [
            lambda pipe, files: pipe.load_textual_inversion(files / "none.safetensors"),
            lambda pipe, files: pipe.load_textual_inversion(torch.ones(1, 5), token="<x>"),
            lambda pipe, files: pipe.load_textual_inversion(torch.ones(1, 32)),
            lambda pipe, files: pipe.load_textual_inversion({"a": torch.ones(1, 32), "b": torch.ones(1, 32)}),
            lambda pipe, files: pipe.load_textual_inversion(files / "inkwash.safetensors", token="a"),
            lambda pipe, files: pipe.load_textual_inversion([files / "inkwash.safetensors", files / "learned.safetensors"], token=["<x>"]),
            lambda pipe, files: pipe.unload_textual_inversion("<x>"),
            lambda pipe, files: [pipe.load_textual_inversion(files / "learned.safetensors") for _ in range(2)],
        ],
    )
    def test_mistakes_raise_what_diffusers_raises(self, fresh, mistake):
        raised = []
        for pipe in fresh:
            with pytest.raises(Exception) as caught:
                mistake(pipe, self.FILES)
            raised.append(caught.type)
        assert issubclass(raised[0], raised[1]), raised


class TestControlNet:
    @pytest.fixture(params=[1, 2], ids=["one", "two"])
    def nets(self, request):
        return request.param

    def load(self, kind, library, nets):
        net = library.ControlNetModel.from_pretrained(NET)
        more = {} if library is impasto else {"safety_checker": None}
        pipe = getattr(library, kind).from_pretrained(TINY, controlnet=net if nets == 1 else [net] * nets, torch_dtype=torch.float32, **more)
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = library.DDIMScheduler.from_config(pipe.scheduler.config)
        return pipe

    def arguments(self, kind, nets, crop=None):
        edges, other = picture(64, 72, 5), picture(64, 72, 6)
        control = edges if nets == 1 else [edges, other]
        more = {"num_inference_steps": 4, "output_type": "np", "controlnet_conditioning_scale": 0.7 if nets == 1 else [0.7, 0.4], "control_guidance_start": 0.0 if nets == 1 else [0.0, 0.3], "num_images_per_prompt": 2}
        if kind == CONTROLLED[0]:
            return {"image": control, **more}
        if kind == CONTROLLED[1]:
            return {"image": picture(64, 72, 7), "control_image": control, **more}
        mask = Image.new("L", (72, 64))
        mask.paste(255, (20, 24, 60, 48))
        return {"image": picture(64, 72, 7), "mask_image": mask, "control_image": control, **more}

    @pytest.mark.parametrize("kind", CONTROLLED)
    def test_has_diffusers_arguments_and_parts(self, kind):
        for method in ("__call__", "__init__"):
            ours, theirs = parameters(getattr(getattr(impasto, kind), method)), parameters(getattr(getattr(diffusers, kind), method))
            assert list(ours) == list(theirs)
            assert method == "__init__" or {k: v for k, v in ours.items() if v != theirs[k]} == {}
        assert getattr(impasto, kind)._callback_tensor_inputs == getattr(diffusers, kind)._callback_tensor_inputs

    @pytest.mark.parametrize("guess_mode", [False, True], ids=["led", "guessing"])
    @pytest.mark.parametrize("kind", CONTROLLED)
    def test_draws_what_diffusers_draws_and_accelerates_it(self, kind, nets, guess_mode):
        call = {**self.arguments(kind, nets), "guess_mode": guess_mode}
        ours, theirs = self.load(kind, impasto, nets), self.load(kind, diffusers, nets)
        draw = lambda pipe: pipe("a boat", **call, generator=torch.Generator().manual_seed(4)).images  # noqa: E731
        expected = draw(theirs)
        np.testing.assert_allclose(draw(ours), expected, **CLOSE)
        impasto.accelerate(theirs)
        first = theirs.controlnet if nets == 1 else theirs.controlnet.nets[1]
        assert type(first).__name__ == "AcceleratedControlNet" and isinstance(first, diffusers.ControlNetModel)
        np.testing.assert_allclose(draw(theirs), expected, **CLOSE)

    def test_callback_gets_the_picture_as_in_diffusers(self):
        seen = []

        def fade(pipe, step, timestep, tensors):
            seen.append(tensors["image"].shape)
            return {"image": tensors["image"] / 2}

        drawn = [self.load(CONTROLLED[0], library, 1)("a boat", **self.arguments(CONTROLLED[0], 1), generator=torch.Generator().manual_seed(4), callback_on_step_end=fade, callback_on_step_end_tensor_inputs=["image"]).images for library in (impasto, diffusers)]
        assert len(set(seen)) == 1
        np.testing.assert_allclose(*drawn, **CLOSE)

    @pytest.mark.parametrize(
        "mistake",
        [dict(image=None), dict(image="x"), dict(image=[picture(64, 72)] * 3), dict(controlnet_conditioning_scale=1), dict(control_guidance_start=0.6, control_guidance_end=0.5), dict(control_guidance_end=1.1), dict(control_guidance_start=[0.1, 0.2], control_guidance_end=[0.5]), dict(prompt=3), dict(callback_on_step_end_tensor_inputs=["mask"])],
        ids=str,
    )
    def test_mistakes_raise_what_diffusers_raises(self, mistake):
        raised = []
        for library in (impasto, diffusers):
            with pytest.raises(Exception) as caught:
                self.load(CONTROLLED[0], library, 1)(**{"prompt": "a boat", **self.arguments(CONTROLLED[0], 1), **mistake})
            raised.append(caught.type)
        assert raised[0] is raised[1]

    def test_several_need_a_list(self):
        for library in (impasto, diffusers):
            with pytest.raises(TypeError):
                self.load(CONTROLLED[0], library, 2)("a boat", picture(64, 72))
            with pytest.raises(ValueError):
                self.load(CONTROLLED[0], library, 2)("a boat", [picture(64, 72)])

    def test_components_of_diffusers_answer_alike(self):
        ours, theirs = (library.ControlNetModel.from_pretrained(NET) for library in (impasto, diffusers))
        x, context, edges = torch.randn(2, 4, 8, 8), torch.randn(2, 77, ours.config.cross_attention_dim), torch.rand(2, 3, 64, 64)
        times = torch.tensor([900, 20])
        with torch.no_grad():
            expected = theirs(x, times, context, edges, 0.8)
        found = ours(x, times, context, edges, 0.8)
        for a, b in zip([*found.down_block_res_samples, found.mid_block_res_sample], [*expected.down_block_res_samples, expected.mid_block_res_sample]):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
