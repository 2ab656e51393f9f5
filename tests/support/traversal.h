// Names that lead out of a folder wherever they are taken for paths, in every disguise that has opened one somewhere.
#pragma once

#include <string>
#include <vector>

namespace impasto::test {

/// Each leads from a folder to its neighbour `target` ("secret", say), or to a file of the system.
inline std::vector<std::string> traversals(const std::string& target) {
  const std::vector<std::string> ups = {"..",
                                        "%2e%2e",
                                        "%252e%252e",
                                        "..%00",
                                        "\xC0\xAE\xC0\xAE",          // dots in two bytes
                                        "\xE0\x80\xAE\xE0\x80\xAE",  // in three
                                        "\xE2\x80\xA5",              // one character of two dots
                                        "\xEF\xBC\x8E\xEF\xBC\x8E",  // full width
                                        "....",
                                        ".. ",
                                        " ..",
                                        "..;",
                                        "./.."};
  const std::vector<std::string> slashes = {"/", "\\", "%2f", "%5c", "%252f", "//", "/./", "\xC0\xAF", "\xE2\x88\x95", "\xEF\xBC\x8F", "/\\"};
  std::vector<std::string> names;
  for (const std::string& up : ups)
    for (const std::string& slash : slashes) names.push_back(up + slash + target);
  for (const std::string before : {"sub/", "sub/../", "/", "//", "file://", "~/", "./", "sub/../../"})
    names.push_back(before + std::string("../") + target);
  for (const std::string deep : {"../../", "../../../../../../../../"})
    for (const std::string file : {"etc/passwd", "proc/self/environ", "proc/self/cwd", "dev/stdin"}) names.push_back(deep + file);
  for (const char* file : {"/etc/passwd",
                           "/proc/self/environ",
                           "/proc/self/fd/0",
                           "/dev/zero",
                           "C:\\Windows\\win.ini",
                           "\\\\host\\share",
                           "CON",
                           "~",
                           "..",
                           ".",
                           "../",
                           "/",
                           "$HOME",
                           "`id`",
                           "$(id)",
                           "|id",
                           ";id",
                           "-rf",
                           "--help",
                           "*",
                           "?",
                           "[a-z]*"})
    names.emplace_back(file);
  names.push_back(std::string("secret\0.png", 11)), names.push_back(std::string("../secret\0", 10)), names.push_back(std::string(5000, '.'));
  names.push_back(std::string(300, 'a') + "/../" + target), names.push_back("../" + target + "\n"), names.push_back("\t../" + target);
  return names;
}

}  // namespace impasto::test
