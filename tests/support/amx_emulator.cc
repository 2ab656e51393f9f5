#include "support/amx_emulator.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <ucontext.h>

#include "backend/cpu/isa.h"

namespace impasto::test {

#if defined(__x86_64__) && defined(__linux__)
namespace {

constexpr int kTiles = 8, kRows = 16, kRowBytes = 64;

struct Tile {
  std::uint8_t rows[kRows][kRowBytes];
};

/// A thread's tiles; what its registers would be.
struct State {
  bool configured = false;
  std::uint16_t bytes[kTiles];
  std::uint8_t rows[kTiles];
  Tile tiles[kTiles];
};
thread_local State state;

/// Nothing here can go on: a kernel that is wrong must not look right.
[[noreturn]] void give_up() { std::abort(); }

float bfloat16(std::uint32_t bits) {
  bits <<= 16;
  if ((bits & 0x7F800000u) == 0) bits &= 0x80000000u;  // subnormal numbers count as zero
  return std::bit_cast<float>(bits);
}

float flushed(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

template <typename T>
T read(const std::uint8_t* from) {
  T x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

/// A three-byte VEX instruction of the map 0F38: all those of AMX.
class Instruction {
 public:
  Instruction(const std::uint8_t* code, mcontext_t& machine) : at_(code), machine_(machine) {
    if (at_[0] != 0xC4 || (at_[1] & 0x1F) != 2 || (at_[2] & 0x84) != 0) return;  // W and L are 0
    x_ = (at_[1] & 0x40) == 0, b_ = (at_[1] & 0x20) == 0;
    prefix = at_[2] & 3;
    second = ~(at_[2] >> 3) & 15;
    opcode = at_[3];
    mod_ = at_[4] >> 6, reg = at_[4] >> 3 & 7, rm_ = at_[4] & 7;
    at_ += 5;
    valid = true;
    if (mod_ != 3) find_address();
  }

  bool valid = false;
  int prefix = 0, second = 0, opcode = 0, reg = 0;
  std::uint8_t* address = nullptr;  // null where there is none
  std::int64_t stride = 0;          // what the index register adds
  int rm() const { return rm_; }

  void skip() const { machine_.gregs[REG_RIP] = reinterpret_cast<greg_t>(at_); }

 private:
  std::int64_t general(int number) const {
    constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return machine_.gregs[kOrder[number]];
  }

  void find_address() {
    std::int64_t base = 0;
    bool relative = false, no_base = false;
    if (rm_ == 4) {
      const int scale = *at_ >> 6, index = (*at_ >> 3 & 7) + 8 * x_, number = (*at_ & 7) + 8 * b_;
      no_base = mod_ == 0 && (*at_ & 7) == 5;
      ++at_;
      if (!no_base) base = general(number);
      if (index != 4) stride = general(index) * (std::int64_t{1} << scale);
    } else if (mod_ == 0 && rm_ == 5) {
      relative = true;
    } else {
      base = general(rm_ + 8 * b_);
    }
    if (mod_ == 1) base += static_cast<std::int8_t>(*at_++);
    if (mod_ == 2 || relative || no_base) base += read<std::int32_t>(at_), at_ += 4;
    if (relative) base += reinterpret_cast<std::int64_t>(at_);
    address = reinterpret_cast<std::uint8_t*>(base);
  }

  const std::uint8_t* at_;
  mcontext_t& machine_;
  bool x_ = false, b_ = false;
  int mod_ = 0, rm_ = 0;
};

void configure(const std::uint8_t* memory) {
  if (memory[0] != 1 || memory[1] != 0) give_up();
  state = {};
  for (int t = 0; t < kTiles; ++t) {
    state.bytes[t] = read<std::uint16_t>(memory + 16 + 2 * t), state.rows[t] = memory[48 + t];
    if (state.bytes[t] > kRowBytes || state.rows[t] > kRows) give_up();
  }
  state.configured = true;
}

/// c[m][n] += a[m][2 k] b[k][2 n] + a[m][2 k + 1] b[k][2 n + 1], each product and sum rounded as the manual has it.
void multiply_add(int c, int a, int b) {
  const int words = state.bytes[a] / 4;
  if (c == a || c == b || a == b || state.rows[c] != state.rows[a] || state.bytes[c] != state.bytes[b] || words != state.rows[b]) give_up();
  for (int m = 0; m < state.rows[c]; ++m)
    for (int n = 0; n < state.bytes[c] / 4; ++n) {
      float even = 0, odd = 0;
      for (int k = 0; k < words; ++k) {
        const auto x = read<std::uint32_t>(&state.tiles[a].rows[m][4 * k]), y = read<std::uint32_t>(&state.tiles[b].rows[k][4 * n]);
        even = flushed(std::fma(bfloat16(x & 0xFFFF), bfloat16(y & 0xFFFF), even));
        odd = flushed(std::fma(bfloat16(x >> 16), bfloat16(y >> 16), odd));
      }
      std::uint8_t* const at = &state.tiles[c].rows[m][4 * n];
      const float sum = flushed(flushed(read<float>(at)) + flushed(even + odd));
      std::memcpy(at, &sum, sizeof sum);
    }
}

/// False for what is no instruction of AMX.
bool carry_out(const Instruction& i) {
  enum { kNone = 0, k66 = 1, kF3 = 2, kF2 = 3 };
  if (!i.valid) return false;
  if (i.opcode == 0x49 && i.prefix == kNone) {
    i.address != nullptr ? configure(i.address) : void(state = {});
    return i.address != nullptr || i.rm() == 0;
  }
  if (!state.configured) give_up();
  if (i.opcode == 0x49 && i.prefix == kF2) {
    state.tiles[i.reg] = {};
  } else if (i.opcode == 0x4B && i.prefix == kF2) {
    state.tiles[i.reg] = {};
    for (int r = 0; r < state.rows[i.reg]; ++r) std::memcpy(state.tiles[i.reg].rows[r], i.address + r * i.stride, state.bytes[i.reg]);
  } else if (i.opcode == 0x4B && i.prefix == kF3) {
    for (int r = 0; r < state.rows[i.reg]; ++r) std::memcpy(i.address + r * i.stride, state.tiles[i.reg].rows[r], state.bytes[i.reg]);
  } else if (i.opcode == 0x5C && i.prefix == kF3) {
    multiply_add(i.reg, i.rm(), i.second);
  } else {
    return false;
  }
  return true;
}

void on_illegal_instruction(int, siginfo_t*, void* context) {
  mcontext_t& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  const Instruction instruction(reinterpret_cast<const std::uint8_t*>(machine.gregs[REG_RIP]), machine);
  if (!carry_out(instruction)) give_up();
  instruction.skip();
}

bool has(std::string_view name) {
  const auto isas = available_isas();
  return std::find(isas.begin(), isas.end(), name) != isas.end();
}

}  // namespace

bool emulate_amx() {
  if (has("amx")) return true;
  if (!has("avx512_fp16")) return false;
  struct sigaction action = {};
  action.sa_sigaction = on_illegal_instruction;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGILL, &action, nullptr);
  assume_tiles();
  return true;
}

#else

bool emulate_amx() { return false; }

#endif

}  // namespace impasto::test
