// Pages that were touched already and that no block needs now. A page's first touch costs more than anything that is then done with it once: the
// system zeroes it (a fifth to a third of a VAE's decode on a virtual machine that gets its memory from its host page by page). Blocks of other sizes
// are made of them by moving pages, not bytes.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <vector>

namespace impasto {

/// Of private anonymous mappings that begin on a boundary of kHugePage. Safe for several threads. Where the system cannot move pages it stays
/// empty.
class PageReserve {
 public:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  PageReserve() = default;
  ~PageReserve() { release(); }
  PageReserve(const PageReserve&) = delete;
  PageReserve& operator=(const PageReserve&) = delete;

  /// Takes over a mapping of `size` bytes.
  void add(void* block, std::size_t size) noexcept;
  /// Puts pages of the reserve, as far as they go, into a mapping that nobody has touched. False if the mapping was lost on the way.
  [[nodiscard]] bool fill(void* block, std::size_t size);
  /// Forgets what fill() knows of a mapping that goes back to the system.
  void forget(void* block) noexcept;
  /// Gives all to the system.
  void release() noexcept;

 private:
  struct Piece {
    char* begin;
    std::size_t size;
  };

  void take_back(char* begin, std::size_t size);

  std::mutex mutex_;
  std::vector<Piece> pieces_;
  /// Where the pieces end that a mapping was filled with: one call to the system moves pages of one piece at most.
  std::map<void*, std::vector<std::size_t>> seams_;
};

/// The process's: networks that compute in different types have different pools.
PageReserve& page_reserve();

}  // namespace impasto
