// A certificate that signs itself, made for one test: no key lies in the repository.
#pragma once

#include <string>

namespace impasto::test {

/// Writes a certificate for 127.0.0.1 and localhost, valid for a day, and its key, as PEM. Throws std::runtime_error.
void write_certificate(const std::string& certificate, const std::string& key);

}  // namespace impasto::test
