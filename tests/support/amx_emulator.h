// Carries out the instructions for tiles (AMX) where the processor has none, so that what is built of them can be tested anywhere.
#pragma once

namespace impasto::test {

/// From now on a thread that meets such an instruction has it done by the handler of SIGILL, one by one and slowly, as Intel's manual describes it
/// (Architecture Instruction Set Extensions, chapter 3: LDTILECFG, TILELOADD, TILESTORED, TILEZERO, TILERELEASE, TDPBF16PS), and the kernels
/// may be told to use them: isa "amx". False where vectors of AVX-512 with bfloat16 and float16 are missing too, which every processor with tiles
/// has. Does nothing where the processor has tiles itself.
bool emulate_amx();

}  // namespace impasto::test
