#include "backend/cpu/isa.h"

#include <atomic>
#include <cstdlib>
#include <string>

#include "core/fail.h"
#include "hwy/highway.h"
#if HWY_ARCH_X86
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace impasto {
namespace {

struct Target {
  std::string_view name;
  std::int64_t bit;
  bool bfloat16 = false, float16 = false, amx = false;
};

constexpr Target kTargets[] = {{"baseline", HWY_STATIC_TARGET},
                               {"avx2", HWY_AVX2},
                               {"avx512", HWY_AVX3},
                               {"avx512_bf16", HWY_AVX3, true},
                               {"avx512_fp16", HWY_AVX3, true, true},
                               {"amx", HWY_AVX3, true, true, true}};

std::int64_t machine_targets() {
  static const std::int64_t targets = (hwy::SupportedTargets() & HWY_TARGETS) | HWY_STATIC_TARGET;
  return targets;
}

bool machine_has_bfloat16() {
#if HWY_ARCH_X86
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

/// Not by __builtin_cpu_supports(): Clang 14 does not know the name.
bool machine_has_float16() {
#if HWY_ARCH_X86
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & 1u << 23) != 0;
#else
  return false;
#endif
}

std::atomic<bool> emulates_amx{false};

/// The system must grant the state of the tiles to the process, once.
bool machine_has_amx() {
#if HWY_ARCH_X86 && defined(__linux__)
  static const bool has = [] {
    constexpr unsigned kTiles = 1u << 24, kBFloat16 = 1u << 22;
    constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTiles) != 0 && (d & kBFloat16) != 0 &&
           ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return has || emulates_amx;
#else
  return false;
#endif
}

bool available(const Target& t) {
  return (machine_targets() & t.bit) != 0 && (!t.bfloat16 || machine_has_bfloat16()) && (!t.float16 || machine_has_float16()) &&
         (!t.amx || machine_has_amx());
}

std::string names(bool available_only) {
  std::string s;
  for (const Target& t : kTargets)
    if (!available_only || available(t)) s += (s.empty() ? "" : ", ") + std::string(t.name);
  return s;
}

const Target& target_named(std::string_view name) {
  for (const Target& t : kTargets) {
    if (t.name != name) continue;
    if (available(t)) return t;
    fail(ErrorKind::invalid_argument, "IMPASTO_ISA is ", name, ", which this processor does not have; it has ", names(true));
  }
  fail(ErrorKind::invalid_argument, "IMPASTO_ISA is \"", name, "\"; it may be ", names(false), ", or unset for the best one");
}

std::atomic<const Target*> chosen{nullptr};

void choose(const Target& target) {
  hwy::GetChosenTarget().Update(target.bit);
  chosen.store(&target, std::memory_order_release);
}

const Target& best_target() {
  if (const char* name = std::getenv("IMPASTO_ISA"); name != nullptr && *name != '\0') return target_named(name);
  return target_named(available_isas().back());
}

}  // namespace

std::vector<std::string_view> available_isas() {
  std::vector<std::string_view> isas;
  for (const Target& t : kTargets)
    if (available(t)) isas.push_back(t.name);
  return isas;
}

std::string_view isa() {
  const Target* target = chosen.load(std::memory_order_acquire);
  if (target == nullptr) choose(*(target = &best_target()));
  return target->name;
}

bool has_bfloat16_instructions() {
  isa();
  return chosen.load(std::memory_order_acquire)->bfloat16;
}

bool has_float16_instructions() {
  isa();
  return chosen.load(std::memory_order_acquire)->float16;
}

bool has_tiles() {
  isa();
  return chosen.load(std::memory_order_acquire)->amx;
}

void assume_tiles() { emulates_amx = true; }

void set_isa(std::string_view name) { choose(target_named(name)); }

}  // namespace impasto
