"""Timesteps, sigmas and whole walks of every scheduler, with a formula in place of the network.

The formula sees what the UNet would, x = scale_model_input(sample, t), and answers 0.3 x cos(t / 500) + 0.1 sin(3 x), in float32, whatever the
prediction type; the scheduler takes the answer for epsilon, v or the clean sample.
"""
import contextlib
import inspect

import diffusers
import torch
from diffusers.schedulers import scheduling_dpmsolver_sde

from .store import drawing_in_float32, seeded, tolerance

COMMON = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading")
V, SAMPLE = dict(prediction_type="v_prediction"), dict(prediction_type="sample")
TRAILING, LINSPACE = dict(timestep_spacing="trailing"), dict(timestep_spacing="linspace")
KARRAS = dict(use_karras_sigmas=True)
ZERO_SNR = dict(rescale_betas_zero_snr=True, timestep_spacing="trailing", prediction_type="v_prediction")
EXPONENTIAL, BETA = dict(use_exponential_sigmas=True), dict(use_beta_sigmas=True)
SPACINGS = {"default": {}, "linspace": LINSPACE, "trailing": TRAILING, "v": V}
NO_CLIP, NOT_ONE = dict(clip_sample=False), dict(set_alpha_to_one=False)

# class -> variant -> what differs from COMMON; "step" holds further arguments of step()
VARIANTS = {
    "PNDMScheduler": {"default": NOT_ONE | dict(skip_prk_steps=True), "v": NOT_ONE | V | dict(skip_prk_steps=True), "trailing": NOT_ONE | TRAILING | dict(skip_prk_steps=True),
                      "runge_kutta": NOT_ONE},
    "DDIMScheduler": {"default": NOT_ONE | NO_CLIP, "eta_0.7": NOT_ONE | NO_CLIP | {"step": {"eta": 0.7}}, "v": NOT_ONE | NO_CLIP | V, "clip": NOT_ONE,
                      "sample_linspace": NO_CLIP | SAMPLE | LINSPACE, "zero_snr": NOT_ONE | NO_CLIP | ZERO_SNR},
    "DDPMScheduler": {"default": NO_CLIP, "fixed_large": NO_CLIP | dict(variance_type="fixed_large"), "v_clip": V, "trailing": NO_CLIP | TRAILING},
    "EulerDiscreteScheduler": SPACINGS | {"karras": KARRAS, "exponential": EXPONENTIAL, "beta": BETA, "sample": SAMPLE, "zero_snr": ZERO_SNR},
    "EDMEulerScheduler": {"default": {}, "v_exponential": V | dict(sigma_schedule="exponential", sigma_data=1.0, sigma_max=120.0), "sigma_min": dict(final_sigmas_type="sigma_min", rho=5.0)},
    "EulerAncestralDiscreteScheduler": SPACINGS | {"zero_snr": ZERO_SNR},
    "HeunDiscreteScheduler": SPACINGS | {"karras": KARRAS},
    "LMSDiscreteScheduler": SPACINGS | {"karras": KARRAS},
    "KDPM2DiscreteScheduler": {"default": {}, "karras_v": KARRAS | V, "trailing": TRAILING},
    "KDPM2AncestralDiscreteScheduler": {"default": {}, "karras_v": KARRAS | V},
    "DPMSolverMultistepScheduler": SPACINGS | {"karras": KARRAS, "order_3": dict(solver_order=3), "midpoint_off": dict(solver_type="heun"), "sample": SAMPLE,
                                               "sde": dict(algorithm_type="sde-dpmsolver++"), "sde_karras_v": KARRAS | V | dict(algorithm_type="sde-dpmsolver++"),
                                               "euler_at_final": dict(euler_at_final=True), "zero_snr": ZERO_SNR},
    "UniPCMultistepScheduler": SPACINGS | {"karras": KARRAS, "order_3": dict(solver_order=3), "bh1": dict(solver_type="bh1", final_sigmas_type="sigma_min")},
    "DEISMultistepScheduler": {"default": {}, "karras": KARRAS, "order_3_v": V | dict(solver_order=3)},
    "DPMSolverSinglestepScheduler": {"default": dict(lower_order_final=True), "karras_v": KARRAS | V | dict(lower_order_final=True),
                                     "order_3": dict(lower_order_final=True, solver_order=3)},
    "DPMSolverSDEScheduler": {"default": {}, "karras_v": KARRAS | V},
    "TCDScheduler": {"default": {}, "eta_0": {"step": {"eta": 0.0}}, "v": V},
    "LCMScheduler": {"default": {}, "v": V, "original_100": dict(original_inference_steps=100)},
}
STEPS, SHAPE, SEED = (2, 5), (1, 4, 3, 5), 23


def add_schedulers(store):
    for name, variants in VARIANTS.items():
        for variant, options in variants.items():
            for steps in STEPS:
                if (variant, steps) != ("runge_kutta", 2):  # diffusers itself fails on it: the start alone takes more
                    add_walk(store, f"schedulers/{name}/{variant}/{steps}", name, COMMON | options, steps)
        add_added_noise(store, name, COMMON | variants["default"])
    for label, options in {"linear": dict(beta_schedule="linear"), "cosine": dict(beta_schedule="squaredcos_cap_v2"), "zero_snr": dict(rescale_betas_zero_snr=True)}.items():
        config = COMMON | options
        s = diffusers.DDIMScheduler(**config)
        store.add(f"schedulers/betas/{label}", {"config": config}, outputs={"betas": s.betas, "alphas_cumprod": s.alphas_cumprod},
                  tolerance={"betas": {"rtol": 1e-6}, "alphas_cumprod": {"rtol": 1e-6}})


def build(name, options, steps):
    cls = getattr(diffusers, name)
    known = inspect.signature(cls.__init__).parameters
    scheduler = cls(**{k: v for k, v in options.items() if k in known}, **({"noise_sampler_seed": SEED} if "noise_sampler_seed" in known else {}))
    scheduler.set_timesteps(steps)
    return scheduler


def config_of(scheduler):
    return {k: v for k, v in scheduler.config.items() if not k.startswith("_") and v is not None} | {"_class_name": type(scheduler).__name__}


def in_place_of_network(x, t):
    return 0.3 * x * torch.cos(torch.as_tensor(t, dtype=torch.float32) / 500).to(x.dtype) + 0.1 * torch.sin(3 * x)


def move_by_one_rounding(scheduler, seed):
    generator = torch.Generator().manual_seed(seed)
    for field in ("alphas_cumprod", "sigmas", "alpha_t", "sigma_t", "lambda_t"):
        table = getattr(scheduler, field, None)
        if isinstance(table, torch.Tensor) and table.is_floating_point():
            setattr(scheduler, field, table * (1 + 2.0**-23 * (2 * torch.rand(table.shape, generator=generator) - 1)))


@contextlib.contextmanager
def brownian_noise(drawn, again):
    """DPMSolverSDE alone draws from torchsde's Brownian tree, whose bits change when a query moves by one rounding: keeps what a run draws, or
    hands out what an earlier run drew."""
    original = scheduling_dpmsolver_sde.BrownianTreeNoiseSampler

    class Sampler(original):
        def __call__(self, sigma, sigma_next):
            noise = again[len(drawn)] if again else super().__call__(sigma, sigma_next).float()
            drawn.append(noise)
            return noise

    scheduling_dpmsolver_sde.BrownianTreeNoiseSampler = Sampler
    try:
        yield
    finally:
        scheduling_dpmsolver_sde.BrownianTreeNoiseSampler = original


def walk(name, options, steps, dtype=torch.float32, moved=None, again=None):
    scheduler = build(name, options, steps)
    if moved is not None:
        move_by_one_rounding(scheduler, moved)
    generator, drawn = torch.Generator().manual_seed(SEED), []
    noise = torch.randn(SHAPE, generator=generator)
    extra = dict(options.get("step", {}))
    if "generator" in inspect.signature(scheduler.step).parameters:
        extra["generator"] = generator
    x = noise.to(dtype) * float(scheduler.init_noise_sigma)
    path = [x]
    with drawing_in_float32(drawn), brownian_noise(drawn, again), torch.no_grad():
        for t in scheduler.timesteps:
            x = scheduler.step(in_place_of_network(scheduler.scale_model_input(x, t), t), t, x, **extra).prev_sample.to(dtype)
            path.append(x)
    return scheduler, noise, torch.stack(path), drawn


def add_walk(store, case, name, options, steps):
    scheduler, noise, path, drawn = walk(name, options, steps)
    from_tree = name == "DPMSolverSDEScheduler"
    again = drawn if from_tree else None
    better = [walk(name, options, steps, torch.float64, again=again)[2]] + [walk(name, options, steps, moved=seed, again=again)[2] for seed in (1, 2)]
    if not torch.isfinite(path).all():
        raise ArithmeticError(f"{case}: the reference leaves the finite numbers")
    out = {"timesteps": torch.as_tensor(scheduler.timesteps).float(), "trajectory": path}
    allowed = {"timesteps": {"rtol": 1e-6}, "trajectory": tolerance(path, better, floor=4e-6)}
    if isinstance(getattr(scheduler, "sigmas", None), torch.Tensor):
        out["sigmas"], allowed["sigmas"] = scheduler.sigmas.float(), {"rtol": 4e-6}
    if drawn:
        out["drawn"] = torch.stack(drawn)
    settings = {"config": config_of(scheduler), "num_inference_steps": steps, "seed": SEED, "step_arguments": options.get("step", {}),
                "init_noise_sigma": float(scheduler.init_noise_sigma),
                "generator": "step() takes its noise from torchsde's Brownian tree: use `drawn`" if from_tree else "the same for the first noise and for what step() draws" if drawn else "first noise only"}
    store.add(case, settings, {"noise": noise}, out, allowed)


def add_added_noise(store, name, options):
    """add_noise at the first, a middle and the last timestep, a batch of three."""
    scheduler = build(name, options, 10)
    timesteps = torch.as_tensor(scheduler.timesteps)
    timesteps = timesteps[[0, len(timesteps) // 2, len(timesteps) - 1]]
    clean, noise = seeded((3, *SHAPE[1:]), 31), seeded((3, *SHAPE[1:]), 32)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    store.add(f"schedulers/add_noise/{name}/default", {"config": config_of(scheduler), "num_inference_steps": 10},
              {"clean": clean, "noise": noise, "timesteps": timesteps.float()}, {"noisy": noisy}, {"noisy": tolerance(noisy, floor=4e-6)})
