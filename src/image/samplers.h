// A1111's names for schedulers.
#pragma once

#include <array>
#include <string_view>

namespace impasto {

/// What "Schedule type" says: nothing where the noise levels are fixed; Karras where that was chosen; else also Uniform, since A1111 would
/// read a missing schedule as the sampler's own, which is Karras for DPM++.
enum class Schedule { fixed, karras, named };

struct Sampler {
  std::string_view class_name, name;
  Schedule schedule;
};

/// Of several classes with one name, the first is meant by it.
inline constexpr std::array<Sampler, 18> kSamplers{{
    {"DDIMScheduler", "DDIM", Schedule::fixed},
    {"DDPMScheduler", "DDPM", Schedule::fixed},
    {"DEISMultistepScheduler", "DEIS", Schedule::karras},
    {"DPMSolverMultistepScheduler", "DPM++ 2M", Schedule::named},
    {"DPMSolverSDEScheduler", "DPM++ SDE", Schedule::named},
    {"DPMSolverSinglestepScheduler", "DPM++ 2S", Schedule::named},
    {"EDMDPMSolverMultistepScheduler", "DPM++ 2M", Schedule::named},
    {"EulerAncestralDiscreteScheduler", "Euler a", Schedule::named},
    {"EulerDiscreteScheduler", "Euler", Schedule::named},
    {"EDMEulerScheduler", "Euler", Schedule::named},
    {"HeunDiscreteScheduler", "Heun", Schedule::named},
    {"KDPM2AncestralDiscreteScheduler", "DPM2 a", Schedule::named},
    {"KDPM2DiscreteScheduler", "DPM2", Schedule::named},
    {"LCMScheduler", "LCM", Schedule::fixed},
    {"LMSDiscreteScheduler", "LMS", Schedule::named},
    {"PNDMScheduler", "PLMS", Schedule::fixed},
    {"TCDScheduler", "TCD", Schedule::fixed},
    {"UniPCMultistepScheduler", "UniPC", Schedule::karras},
}};

}  // namespace impasto
