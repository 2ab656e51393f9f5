// The makers of all schedulers, one a file. Each reads its own config from the fields of scheduler_config.json that it knows.
#pragma once

#include <memory>

#include "schedulers/scheduler.h"

namespace impasto {

std::unique_ptr<Scheduler> make_ddim(const JsonObject& config);
std::unique_ptr<Scheduler> make_ddpm(const JsonObject& config);
std::unique_ptr<Scheduler> make_deis(const JsonObject& config);
std::unique_ptr<Scheduler> make_dpm_solver_multistep(const JsonObject& config);
/// With algorithm_type sde-dpmsolver++, whatever the config says.
std::unique_ptr<Scheduler> make_dpm_solver_multistep_sde(const JsonObject& config);
std::unique_ptr<Scheduler> make_dpm_solver_sde(const JsonObject& config);
std::unique_ptr<Scheduler> make_dpm_solver_singlestep(const JsonObject& config);
std::unique_ptr<Scheduler> make_edm_euler(const JsonObject& config);
std::unique_ptr<Scheduler> make_euler(const JsonObject& config);
std::unique_ptr<Scheduler> make_euler_ancestral(const JsonObject& config);
std::unique_ptr<Scheduler> make_heun(const JsonObject& config);
std::unique_ptr<Scheduler> make_kdpm2(const JsonObject& config);
std::unique_ptr<Scheduler> make_kdpm2_ancestral(const JsonObject& config);
std::unique_ptr<Scheduler> make_lcm(const JsonObject& config);
std::unique_ptr<Scheduler> make_lms(const JsonObject& config);
std::unique_ptr<Scheduler> make_pndm(const JsonObject& config);
std::unique_ptr<Scheduler> make_tcd(const JsonObject& config);
std::unique_ptr<Scheduler> make_unipc(const JsonObject& config);

}  // namespace impasto
