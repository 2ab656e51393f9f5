#include "image/text_encoding.h"

#include <cstdint>

#include <utf8proc.h>

namespace impasto {

TextEncoding text_encoding(std::string_view text) {
  auto encoding = TextEncoding::latin1;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (std::size_t at = 0; at < text.size();) {
    utf8proc_int32_t code_point = 0;
    const auto length = utf8proc_iterate(bytes + at, static_cast<utf8proc_ssize_t>(text.size() - at), &code_point);
    if (length <= 0 || code_point == 0) return TextEncoding::invalid;
    if (code_point > 0xFF) encoding = TextEncoding::utf8;
    at += static_cast<std::size_t>(length);
  }
  return encoding;
}

std::string to_latin1(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    // U+0080..U+00FF are two bytes: 110000xx 10yyyyyy.
    out += byte < 0x80 ? text[at] : static_cast<char>((byte & 3) << 6 | (static_cast<unsigned char>(text[++at]) & 0x3F));
  }
  return out;
}

std::string from_latin1(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) out += static_cast<char>(0xC0 | byte >> 6);
    out += byte < 0x80 ? c : static_cast<char>(0x80 | (byte & 0x3F));
  }
  return out;
}

std::string to_utf16be(std::string_view text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  std::string out;
  const auto add = [&](std::uint32_t unit) { out += {static_cast<char>(unit >> 8), static_cast<char>(unit & 0xFF)}; };
  for (std::size_t at = 0; at < text.size();) {
    utf8proc_int32_t read = 0;
    const auto length = utf8proc_iterate(bytes + at, static_cast<utf8proc_ssize_t>(text.size() - at), &read);
    if (length <= 0) break;
    const auto code_point = static_cast<std::uint32_t>(read);
    if (code_point >= 0x10000) add(0xD800 + (code_point - 0x10000) / 0x400);
    add(code_point >= 0x10000 ? 0xDC00 + code_point % 0x400 : code_point);
    at += static_cast<std::size_t>(length);
  }
  return out;
}

}  // namespace impasto
