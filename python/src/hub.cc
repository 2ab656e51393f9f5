#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind.h"
#include "impasto/hub.h"
#include "interrupt.h"

namespace impasto::python {
namespace nb = nanobind;
using namespace nb::literals;

namespace {

std::string fetch(const std::string& name, const std::string& variant, const std::vector<std::string>& files, const std::optional<std::string>& token,
                  const std::string& cache, bool local_files_only, bool verify) {
  DownloadOptions options;
  options.variant = variant;
  options.files = files;
  options.token = token;
  options.cache = cache;
  options.local_files_only = local_files_only;
  options.verify = verify;
  options.should_stop = Interrupt(nullptr);
  const nb::gil_scoped_release released;
  return download(name, options).path;
}

}  // namespace

void bind_hub(nb::module_& m) {
  m.def("download", &fetch, "name"_a, nb::kw_only(), "variant"_a = "", "files"_a = std::vector<std::string>(), "token"_a = nb::none(), "cache"_a = "",
        "local_files_only"_a = false, "verify"_a = false,
        "Brings a model of the Hub into huggingface_hub's cache and returns its folder. Without `files` (paths and patterns) those that drawing "
        "needs.");
}

}  // namespace impasto::python
