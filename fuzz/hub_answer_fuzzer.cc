// What a Hub, or whoever takes its place, answers: headers line by line, an empty line, the list of a model's files. And names as people type them.
#include "fuzz.h"
#include "hub/http_headers.h"
#include "hub/listing.h"
#include "hub/needed_files.h"
#include "hub/reference.h"
#include "hub/url.h"

namespace {
using namespace impasto;

void check_headers(const HttpHeaders& headers) {
  CHECK(headers.status() >= 0 && headers.status() <= 999);
  if (const auto size = headers.size("content-length")) CHECK(*size <= INT64_MAX);
  if (const auto seconds = headers.retry_after()) CHECK(*seconds >= 0);
  headers.etag();
  if (const auto range = parse_content_range(headers.value("content-range"))) {
    CHECK(range->first <= range->last && range->last <= INT64_MAX);
    CHECK(!range->total || range->last < *range->total);
  }
}

/// A redirect leads to the web, with nobody's password, and never from https down to http.
void check_redirect(const std::string& location) {
  for (const char* from : {"https://hub.example/a/b?c", "http://hub.example:8080/"}) {
    fuzz::expect_error_or_result({ErrorKind::io}, [&] {
      const Url source(from, "source"), target = source.redirected(location);
      CHECK(target.is_https() || (target.origin().starts_with("http://") && !source.is_https()));
      CHECK(target.text().substr(0, target.text().find_first_of("/?", 8)).find('@') == std::string::npos);
      for (const char c : target.host()) CHECK(c > 0x20 && c < 0x7F);
      CHECK(Url(target.text(), "target").origin() == target.origin());
    });
  }
}

void check_listing(std::string_view text) {
  fuzz::expect_error_or_result({ErrorKind::bad_file, ErrorKind::not_found, ErrorKind::unsupported}, [&] {
    const Listing listing = parse_listing(text, "list");
    CHECK(is_git_hash(listing.commit));
    std::set<std::string> all;
    for (const auto& [path, file] : listing.files) {
      CHECK(is_safe_relative_path(path));
      CHECK(file.hash.empty() || is_git_hash(file.hash) || is_sha256(file.hash));
      CHECK(!file.size || *file.size <= INT64_MAX);
      all.insert(path);
    }
    for (const std::string& path : needed_files(all, "", "list")) CHECK(all.contains(path));
  });
}

void check_reference(std::string_view text) {
  const auto reference = parse_hub_reference(text);
  if (!reference) return;
  CHECK(is_safe_relative_path(reference->revision));
  CHECK(reference->file.empty() || is_safe_relative_path(reference->file));
  const auto again = parse_hub_reference(reference->text());
  CHECK(again && again->text() == reference->text() && again->repository == reference->repository);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = fuzz::text(data, size);
  check_reference(text.substr(0, text.find('\n')));
  HttpHeaders headers;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n') + 1);  // the whole rest where there is no line end
    text.remove_prefix(line.empty() ? text.size() : line.size());
    if (line == "\n" || line == "\r\n" || !headers.add_line(line)) break;
  }
  check_headers(headers);
  check_redirect(headers.value("location"));
  check_listing(text);
  return 0;
}
