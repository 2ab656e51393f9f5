// Says of each safetensors file on its standard input (4 bytes of length, then the file) whether we accept it: the other half of
// tools/fuzz_safetensors_differential.py.
#include <iostream>

#include <sys/mman.h>
#include <unistd.h>

#include "core/json.h"
#include "impasto/error.h"
#include "weights/reader.h"

int main() {
  const int memory = ::memfd_create("file", 0);
  const std::string path = "/proc/self/fd/" + std::to_string(memory);
  std::uint32_t length = 0;
  while (std::cin.read(reinterpret_cast<char*>(&length), sizeof(length))) {
    std::string file(length, '\0');
    if (!std::cin.read(file.data(), length) || ::ftruncate(memory, 0) != 0 || ::pwrite(memory, file.data(), length, 0) != length) return 1;
    try {
      const impasto::Json names = impasto::open_safetensors(path)->names();
      std::cout << "ok " << names.dump(-1, ' ', true) << "\n";
    } catch (const impasto::Error& error) {
      std::cout << "no " << to_string(error.kind()) << " " << error.what() << "\n";
    }
  }
  return 0;
}
