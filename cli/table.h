// Rows in columns, for people.
#pragma once

#include <string>
#include <vector>

namespace impasto::cli {

using Row = std::vector<std::string>;

/// Columns as wide as their widest cell, two spaces apart; the first `text_columns` stand left, the others right. Rows have equal lengths.
std::string table(const std::vector<Row>& rows, std::size_t text_columns);

}  // namespace impasto::cli
