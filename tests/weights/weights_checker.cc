// Says of each file of weights on its standard input (4 bytes of length, then the file) whether we accept it, and which tensors we read: the other
// half of tools/fuzz_safetensors_differential.py and tools/fuzz_torch_differential.py, which name the format.
#include <iostream>

#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "core/json.h"
#include "impasto/error.h"
#include "weights/reader.h"

namespace {

using namespace impasto;

/// Shape and checksum of the values; the type alone where it is none that we compute with.
Json describe(const WeightReader& file, const std::string& name) {
  try {
    const TensorView view = file.find(name);
    const auto bytes = static_cast<uInt>(view.bytes());
    Json shape = Json::array();
    for (const std::int64_t side : view.shape) shape.push_back(side);
    return {to_string(view.dtype), shape, bytes == 0 ? 0 : ::crc32(0, view.as<Bytef>(), bytes)};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unsupported) throw;
    return nullptr;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool torch = argc == 2 && std::string(argv[1]) == "torch";
  const int memory = ::memfd_create("file", 0);
  const std::string path = "/proc/self/fd/" + std::to_string(memory);
  std::uint32_t length = 0;
  while (std::cin.read(reinterpret_cast<char*>(&length), sizeof(length))) {
    std::string file(length, '\0');
    if (!std::cin.read(file.data(), length) || ::ftruncate(memory, 0) != 0 || ::pwrite(memory, file.data(), length, 0) != length) return 1;
    try {
      const auto reader = torch ? open_torch(path) : open_safetensors(path);
      Json answer = torch ? Json::object() : Json(reader->names());
      if (torch)
        for (const std::string& name : reader->names()) answer[name] = describe(*reader, name);
      std::cout << "ok " << answer.dump(-1, ' ', true) << "\n";
    } catch (const Error& error) {
      std::cout << "no " << to_string(error.kind()) << " " << error.what() << "\n";
    }
  }
  return 0;
}
