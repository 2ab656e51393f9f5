// What cameras write beside a picture: Exif 2.3, a TIFF structure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "impasto/image.h"

namespace impasto {

/// How the picture is to be turned, 1 (as it is) to 8; 1 where the block says nothing, or nothing sensible. `exif` may begin with "Exif\0\0".
int exif_orientation(std::span<const std::uint8_t> exif);

/// The user comment as UTF-8, from ASCII or UTF-16 in either byte order; "" for none.
std::string exif_user_comment(std::span<const std::uint8_t> exif);

/// A block of nothing but that comment, in UTF-16, big-endian, as A1111 writes it by piexif. REQUIRES: well-formed UTF-8.
std::vector<std::uint8_t> exif_with_user_comment(const std::string& utf8);

/// The picture as it is meant to be looked at: 2 mirrored, 3 turned by 180 degrees, 4 upside down, 5 mirrored along the main diagonal, 6 turned
/// right, 7 mirrored along the other diagonal, 8 turned left.
Image upright(Image image, int orientation);

}  // namespace impasto
