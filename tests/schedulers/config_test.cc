// Configs from strangers: other classes' fields, and nonsense.
#include <algorithm>

#include <gtest/gtest.h>

#include "schedulers/scheduler.h"
#include "stand_in.h"
#include "support/expect_error.h"

namespace impasto {
namespace {

std::unique_ptr<Scheduler> make(const std::string& name, const Json& fields = Json::object()) {
  return make_scheduler(JsonObject(fields, "scheduler_config.json"), name);
}

std::vector<double> timesteps(Scheduler& scheduler, int n) {
  scheduler.set_timesteps(n);
  return scheduler.timesteps();
}

// scheduler_config.json of SD 1.5.
const Json kStableDiffusion15 = {{"_class_name", "PNDMScheduler"},   {"_diffusers_version", "0.6.0"}, {"beta_end", 0.012},
                                 {"beta_schedule", "scaled_linear"}, {"beta_start", 0.00085},         {"num_train_timesteps", 1000},
                                 {"set_alpha_to_one", false},        {"skip_prk_steps", true},        {"steps_offset", 1},
                                 {"trained_betas", nullptr},         {"clip_sample", false}};

TEST(SchedulerConfig, ClassNameWinsOverTheFilesOwn) {
  EXPECT_EQ(timesteps(*make("", kStableDiffusion15), 2), (std::vector<double>{501, 1, 1}));
  EXPECT_EQ(timesteps(*make("ddim", kStableDiffusion15), 2), (std::vector<double>{501, 1}));
}

TEST(SchedulerConfig, EveryClassTakesTheConfigOfAnother) {
  for (const SchedulerName& name : scheduler_names()) {
    const auto by_class = make(name.class_name, kStableDiffusion15), by_short = make(name.short_name, kStableDiffusion15);
    EXPECT_EQ(timesteps(*by_class, 10), timesteps(*by_short, 10)) << name.class_name;
    EXPECT_EQ(scheduler_class_name(name.short_name), name.class_name);
    EXPECT_EQ(scheduler_class_name(name.class_name), name.class_name);
  }
}

// The file says nothing of timestep_spacing, so each class has its own.
TEST(SchedulerConfig, MissingFieldsTakeTheClassesOwnDefaults) {
  EXPECT_EQ(timesteps(*make("ddim", kStableDiffusion15), 4).front(), 751);
  EXPECT_EQ(timesteps(*make("euler", kStableDiffusion15), 4).front(), 999);
  EXPECT_EQ(timesteps(*make("DPMSolverMultistepScheduler", kStableDiffusion15), 4).front(), 999);
  EXPECT_EQ(timesteps(*make("lcm", kStableDiffusion15), 4).front(), 999);
  const auto heun = make("heun"), same = make("heun", {{"beta_start", 0.00085}, {"beta_end", 0.012}});
  heun->set_timesteps(4);
  same->set_timesteps(4);
  EXPECT_EQ(heun->init_noise_sigma(), same->init_noise_sigma());
}

TEST(SchedulerConfig, SolverNamesOfOtherClassesStandForTheOwnDefault) {
  const Json unipc = {{"solver_type", "bh2"}, {"final_sigmas_type", "zero"}}, dpm = {{"solver_type", "midpoint"}, {"algorithm_type", "dpmsolver++"}};
  EXPECT_NO_THROW(make("DPMSolverMultistepScheduler", unipc));
  EXPECT_NO_THROW(make("UniPCMultistepScheduler", dpm));
  EXPECT_NO_THROW(make("DEISMultistepScheduler", dpm));
  EXPECT_ERROR(make("DPMSolverMultistepScheduler", {{"solver_type", "rk45"}}), unsupported, "rk45", "midpoint");
  EXPECT_ERROR(make("DEISMultistepScheduler", {{"algorithm_type", "ddim"}}), unsupported, "ddim", "deis");
}

// A class that draws in two ways: the short name says which, the class name leaves it to the config.
TEST(SchedulerConfig, ShortNameSaysWhetherDpmSolverIsStochastic) {
  const auto draws_noise = [](const std::string& name, const Json& fields) {
    const auto scheduler = make(name, fields);
    scheduler->set_timesteps(2);
    const Tensor x = test::tensor({1, 1}, {1});
    int draws = 0;
    const NoiseSource noise = [&](const Shape&) { return ++draws, x; };
    scheduler->step(x, 0, x, noise, {});
    return draws == 1;
  };
  const Json sde = {{"algorithm_type", "sde-dpmsolver++"}}, ode = {{"algorithm_type", "dpmsolver++"}};
  EXPECT_TRUE(draws_noise("dpm++_2m_sde", ode));
  EXPECT_FALSE(draws_noise("dpm++_2m", ode));
  EXPECT_TRUE(draws_noise("DPMSolverMultistepScheduler", sde));
  EXPECT_EQ(scheduler_class_name("dpm++_2m_sde"), "DPMSolverMultistepScheduler");
}

TEST(SchedulerConfig, UnknownNamesAreToldWhatThereIs) {
  EXPECT_ERROR(make("FlowMatchEulerDiscreteScheduler"), unsupported, "FlowMatchEulerDiscreteScheduler", "EulerDiscreteScheduler (euler, Euler)");
  EXPECT_ERROR(scheduler_class_name("eular"), unsupported, "eular", "euler");
  EXPECT_ERROR(make(""), bad_file, "scheduler_config.json", "_class_name");
}

TEST(SchedulerConfig, RefusesFieldsOutOfRangeInEveryClass) {
  for (const SchedulerName& name : scheduler_names()) {
    const std::string& c = name.class_name;
    if (c != "EDMEulerScheduler") {  // whose levels hang on no such schedule
      EXPECT_ERROR(make(c, {{"beta_schedule", "quadratic"}}), unsupported, "quadratic");
      EXPECT_ERROR(make(c, {{"beta_start", 1.5}}), bad_file, "beta_start");
    }
    EXPECT_ERROR(make(c, {{"num_train_timesteps", std::int64_t{1} << 31}}), bad_file, "num_train_timesteps");
    EXPECT_ERROR(make(c, {{"prediction_type", "guess"}}), unsupported, "guess");
    EXPECT_ERROR(make(c, {{"prediction_type", 3}}), bad_file, "prediction_type");
  }
}

TEST(SchedulerConfig, RefusesFieldsOfItsOwnThatContradict) {
  EXPECT_ERROR(make("euler", {{"timestep_spacing", "sideways"}}), unsupported, "sideways", "trailing");
  EXPECT_ERROR(make("euler", {{"steps_offset", 1000}}), bad_file, "steps_offset");
  EXPECT_ERROR(make("euler", {{"final_sigmas_type", "one"}}), unsupported, "final_sigmas_type");
  EXPECT_ERROR(make("euler", {{"interpolation_type", "cubic"}}), unsupported, "cubic");
  EXPECT_ERROR(make("edm_euler", {{"sigma_schedule", "linear"}}), unsupported, "linear");
  EXPECT_ERROR(make("edm_euler", {{"sigma_min", 80}}), bad_file, "sigma_min", "sigma_max");
  EXPECT_ERROR(make("edm_euler", {{"sigma_data", 0}}), bad_file, "sigma_data");
  EXPECT_ERROR(make("ddpm", {{"variance_type", "learned"}}), unsupported, "learned");
  EXPECT_ERROR(make("lcm", {{"original_inference_steps", 2000}}), bad_file, "original_inference_steps");
  EXPECT_ERROR(make("DPMSolverMultistepScheduler", {{"algorithm_type", "dpmsolver"}}), unsupported, "sigma_min");
  EXPECT_ERROR(make("DPMSolverMultistepScheduler", {{"solver_order", 4}}), bad_file, "solver_order");
  EXPECT_ERROR(make("DPMSolverMultistepScheduler", {{"solver_order", 3}, {"algorithm_type", "sde-dpmsolver"}, {"final_sigmas_type", "sigma_min"}}),
               unsupported, "solver_order");
  EXPECT_ERROR(make("UniPCMultistepScheduler", {{"use_flow_sigmas", true}}), unsupported, "use_flow_sigmas");
  EXPECT_ERROR(make("UniPCMultistepScheduler", {{"predict_x0", false}}), unsupported, "predict_x0");
}

TEST(SchedulerConfig, RefusesStepsOutOfRange) {
  for (const SchedulerName& name : scheduler_names())
    for (int n : {0, -1, 1001, 2000000000})
      EXPECT_ERROR(make(name.class_name)->set_timesteps(n), invalid_argument, "num_inference_steps", std::to_string(n));
  EXPECT_ERROR(make("pndm")->set_timesteps(3), invalid_argument, "Runge-Kutta", "4 or more");
  EXPECT_ERROR(make("lcm")->set_timesteps(51), invalid_argument, "1 to 50");
}

// What diffusers makes of such paths is held by the Python package's tests.
TEST(OwnPath, OfTheUsualTimestepsIsTheUsualWalk) {
  for (const char* name : {"euler", "dpm++_2m", "dpm++_2s", "ddpm", "lcm", "tcd"}) {
    const auto usual = make(name), own = make(name);
    usual->set_timesteps(7);
    own->set_path({.timesteps = usual->timesteps(), .sigmas = {}});
    EXPECT_EQ(own->timesteps(), usual->timesteps()) << name;
    EXPECT_EQ(own->sigmas(), usual->sigmas()) << name;
  }
}

TEST(OwnPath, IsRefusedWhereItLeadsNowhere) {
  const auto euler = make("EulerDiscreteScheduler"), ddim = make("DDIMScheduler");
  const auto over = [](Scheduler& s, std::vector<double> timesteps, std::vector<double> sigmas) {
    s.set_path({.timesteps = std::move(timesteps), .sigmas = std::move(sigmas)});
  };
  EXPECT_ERROR(over(*euler, {}, {}), invalid_argument, "at least one");
  EXPECT_ERROR(over(*euler, {5, 5}, {}), invalid_argument, "timesteps[1] is 5 after 5");
  EXPECT_ERROR(over(*euler, {1000}, {}), invalid_argument, "0 to 999");
  EXPECT_ERROR(over(*euler, {}, {3}), invalid_argument, "has to follow");
  EXPECT_ERROR(over(*euler, {}, {3, -1}), invalid_argument, "sigmas[1] is -1");
  EXPECT_ERROR(over(*ddim, {5, 1}, {}), unsupported, "no timesteps", "dpm++_2s");
  EXPECT_ERROR(over(*ddim, {}, {5, 1}), unsupported, "no sigmas", "euler");
  for (const char* name : {"dpm++_2m", "dpm++_2s", "ddpm", "heun", "lcm", "tcd"}) {
    const auto scheduler = make(name);
    EXPECT_ERROR(over(*scheduler, {}, {}), invalid_argument, "at least one");
    EXPECT_ERROR(over(*scheduler, {5, 5}, {}), invalid_argument, "timesteps[1] is 5 after 5");
    EXPECT_ERROR(over(*scheduler, {1000}, {}), invalid_argument, "0 to 999");
    EXPECT_ERROR(over(*scheduler, {}, {3, 0}), unsupported, "no sigmas");
  }
  for (const char* name : {"dpm++_2m", "dpm++_2s", "ddpm", "lcm", "tcd"})
    EXPECT_ERROR(over(*make(name), {900, 499.5}, {}), invalid_argument, "timesteps[1] is 499.5", "whole numbers");
  for (const char* name : {"dpm++_2s", "heun"})
    EXPECT_ERROR(over(*make(name, {{"use_karras_sigmas", true}}), {900, 5}, {}), invalid_argument, "karras");
}

// The list is written by hand: a scheduler that learns to take timesteps has to be put there.
TEST(OwnPath, IsRefusedWithTheNamesOfThoseThatTakeTimesteps) {
  std::string message;
  std::vector<std::string> taking;
  for (const SchedulerName& name : scheduler_names()) {
    try {
      make(name.short_name)->set_path({.timesteps = {900, 5}, .sigmas = {}});
      if (name.short_name != "dpm++_2m_sde") taking.push_back(name.short_name);  // the same class as dpm++_2m
    } catch (const Error& error) {
      message = error.what();
    }
  }
  std::string list = message.substr(message.find("taken by ") + 9);
  list = list.substr(0, list.find(", sigmas"));
  for (const std::string& name : taking) EXPECT_NE(list.find(name), std::string::npos) << name << " takes them: " << list;
  EXPECT_EQ(std::count(list.begin(), list.end(), ',') + 2, static_cast<std::ptrdiff_t>(taking.size())) << list;
}

// Heun calls the network twice at each level but the first, which it only leaves.
TEST(OwnPath, OfHeunVisitsEachTimestepTwiceButTheFirst) {
  const auto usual = make("heun"), own = make("heun");
  usual->set_timesteps(3);
  own->set_path({.timesteps = {999, 499.5, 0}, .sigmas = {}});
  EXPECT_EQ(own->timesteps(), (std::vector<double>{999, 499.5, 499.5, 0, 0}));
  EXPECT_EQ(own->timesteps(), usual->timesteps());
  EXPECT_EQ(own->sigmas(), usual->sigmas());
}

}  // namespace
}  // namespace impasto
