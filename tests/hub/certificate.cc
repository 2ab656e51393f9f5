#include "hub/certificate.h"

#include <cstdio>
#include <memory>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace impasto::test {
namespace {

template <typename T, typename F>
std::unique_ptr<T, F> owned(T* object, F free) {
  if (object == nullptr) throw std::runtime_error("OpenSSL makes no certificate");
  return {object, free};
}

void add_extension(X509* certificate, int kind, const char* value) {
  const auto extension = owned(X509V3_EXT_conf_nid(nullptr, nullptr, kind, value), X509_EXTENSION_free);
  X509_add_ext(certificate, extension.get(), -1);
}

}  // namespace

void write_certificate(const std::string& certificate_path, const std::string& key_path) {
  const auto key = owned(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const auto certificate = owned(X509_new(), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 24 * 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("impasto test"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate.get(), NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  if (X509_sign(certificate.get(), key.get(), EVP_sha256()) == 0) throw std::runtime_error("OpenSSL signs no certificate");
  const auto certificate_file = owned(std::fopen(certificate_path.c_str(), "w"), std::fclose),
             key_file = owned(std::fopen(key_path.c_str(), "w"), std::fclose);
  if (PEM_write_X509(certificate_file.get(), certificate.get()) != 1 ||
      PEM_write_PrivateKey(key_file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    throw std::runtime_error("no certificate could be written");
}

}  // namespace impasto::test
