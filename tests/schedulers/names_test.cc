// Schedulers and schedules by the names that other programs give them.
#include <gtest/gtest.h>

#include "schedulers/schedule.h"
#include "schedulers/scheduler.h"
#include "support/expect_error.h"

namespace impasto {
namespace {

/// "scheduler/schedule", or "".
std::string found(const std::string& name) {
  const auto named = find_scheduler(name);
  return named ? named->scheduler + "/" + named->schedule : "";
}

TEST(SchedulerNames, OfEveryKindFindTheirScheduler) {
  for (const SchedulerName& name : scheduler_names()) {
    EXPECT_EQ(found(name.short_name), name.short_name + "/");
    EXPECT_EQ(found(name.a1111_name), name.short_name + "/");
    EXPECT_EQ(scheduler_class_name(found(name.class_name).substr(0, found(name.class_name).size() - 1)), name.class_name);
  }
}

TEST(SchedulerNames, AreUnderstoodAsA1111WritesThem) {
  for (const auto& [name, expected] : {std::pair{"DPM++ 2M Karras", "dpm++_2m/karras"},
                                       {"DPM++ 2M SDE Exponential", "dpm++_2m_sde/exponential"},
                                       {"DPM++ SDE Karras", "dpm++_sde/karras"},
                                       {"Euler a", "euler_a/"},
                                       {"Euler a SGM Uniform", "euler_a/trailing"},
                                       {"DPM2 a Karras", "dpm2_a/karras"},
                                       {"LMS Karras", "lms/karras"},
                                       {"DPM2 Beta", "dpm2/beta"},
                                       {"Heun Polyexponential", "heun/exponential"},
                                       {"DDIM", "ddim/"},
                                       {"PLMS", "pndm/"},
                                       {"UniPC", "unipc/"},
                                       {"LCM", "lcm/"}})
    EXPECT_EQ(found(name), expected) << name;
}

TEST(SchedulerNames, CaseSpacesAndDashesDoNotMatter) {
  for (const char* name : {"dpm++ 2m karras", "DPM++_2M_KARRAS", "dpmpp_2m_karras", "k_dpmpp_2m-karras", "Dpm++2mKarras"})
    EXPECT_EQ(found(name), "dpm++_2m/karras") << name;
  for (const char* name : {"euler_ancestral", "k_euler_a", "EULER A", "eulerancestraldiscretescheduler"}) EXPECT_EQ(found(name), "euler_a/") << name;
  EXPECT_EQ(found("dpm_2_ancestral"), "dpm2_a/");
  EXPECT_EQ(found("uni_pc"), "unipc/");
  EXPECT_EQ(found("ddim_trailing"), "ddim/trailing");
  EXPECT_EQ(found("KDPM2DiscreteScheduler"), "dpm2/");
}

TEST(SchedulerNames, UnknownOnesFindNothing) {
  for (const char* name : {"", "Karras", "Euler b", "DPM++ 2S a", "DPM++ 3M SDE", "DPM adaptive", "euler Karras Karras", "e\u00fcler", "euler!"})
    EXPECT_EQ(found(name), "") << name;
  EXPECT_ERROR(make_scheduler(JsonObject(Json::object(), "x"), "DPM++ 2S a"), unsupported, "DPM++ 2S a",
               "DPMSolverMultistepScheduler (dpm++_2m, DPM++ 2M)");
}

TEST(ScheduleNames, AreThoseOfOtherProgramsToo) {
  for (const auto& [name, expected] : {std::pair{"Karras", "karras"},
                                       {"SGM Uniform", "trailing"},
                                       {"sgm_uniform", "trailing"},
                                       {"simple", "trailing"},
                                       {"Normal", "uniform"},
                                       {"Automatic", ""},
                                       {"Exponential", "exponential"}})
    EXPECT_EQ(find_schedule(name), expected) << name;
  EXPECT_EQ(find_schedule("KL Optimal"), std::nullopt);
  EXPECT_EQ(find_schedule(""), std::nullopt);
}

std::vector<double> sigmas(const std::string& scheduler, const std::string& schedule, const Json& fields = Json::object()) {
  const auto s = make_scheduler(with_schedule(JsonObject(fields, "x"), schedule), scheduler);
  s->set_timesteps(5);
  return s->sigmas();
}

TEST(Schedule, IsTheConfigsOwnFields) {
  for (const auto& [schedule, field] :
       {std::pair{"karras", "use_karras_sigmas"}, {"exponential", "use_exponential_sigmas"}, {"beta", "use_beta_sigmas"}}) {
    EXPECT_EQ(sigmas("euler", schedule), sigmas("euler", "", {{field, true}})) << schedule;
    EXPECT_NE(sigmas("euler", schedule), sigmas("euler", "")) << schedule;
    EXPECT_EQ(sigmas("euler", "uniform", {{field, true}}), sigmas("euler", "")) << schedule;
    EXPECT_EQ(sigmas("euler", "karras", {{field, true}}), sigmas("euler", "karras")) << "one at a time";
    EXPECT_EQ(sigmas("euler " + std::string(schedule), ""), sigmas("euler", schedule)) << "in the name";
  }
  EXPECT_EQ(sigmas("dpm++_2m", "lu"), sigmas("dpm++_2m", "", {{"use_lu_lambdas", true}}));
  EXPECT_EQ(sigmas("euler", "SGM Uniform"), sigmas("euler", "", {{"timestep_spacing", "trailing"}}));
  EXPECT_EQ(sigmas("euler", "linspace", {{"timestep_spacing", "leading"}}), sigmas("euler", ""));
  EXPECT_ERROR(sigmas("euler", "KL Optimal"), unsupported, "KL Optimal", "karras", "trailing");
}

TEST(Schedule, OfEulerAncestralIsEulersWhereItIsAskedForByName) {
  for (const char* schedule : {"karras", "exponential", "beta", "trailing", ""})
    EXPECT_EQ(sigmas("euler_a", schedule), sigmas("euler", schedule)) << schedule;
  EXPECT_EQ(sigmas("Euler a Karras", ""), sigmas("euler", "karras"));
  EXPECT_EQ(sigmas("euler_a", "", {{"use_karras_sigmas", true}}), sigmas("euler_a", "")) << "diffusers' class has no such field";
}

}  // namespace
}  // namespace impasto
