// The one pool of threads for all kernels.
#pragma once

#include <cstdint>
#include <functional>

namespace impasto {

/// Threads that parallel_for uses: one per core the process may run on, unless set.
int num_threads();

/// 0 goes back to one per core. Process-wide; takes effect at the next parallel_for.
void set_num_threads(int n);

/// Calls body(begin, end) on ranges that cover 0..n exactly once, each a multiple of `grain` long except the last. Which thread runs
/// which range must not matter to the result. An exception thrown by a body is rethrown here after all ranges are done.
/// Small n runs on the calling thread; nested calls run serially.
void parallel_for(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t begin, std::int64_t end)>& body);

/// Calls body(thread, num_threads) once on each of num_threads() threads: for kernels that divide the work themselves.
void parallel_run(const std::function<void(int thread, int threads)>& body);

}  // namespace impasto
