#include "tokenizers/tokenizer_config.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#include "core/fail.h"
#include "core/file.h"
#include "core/json.h"
#include "core/quote.h"

namespace impasto {
namespace {

// More than any checkpoint has by far; each is looked for at each character of a prompt.
constexpr std::size_t kMaxAddedTokens = 1000;
// Files that state no limit hold a huge number instead.
constexpr double kMaxLength = 1e6;

constexpr const char* kNamed[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

JsonObject read_optional(const std::string& folder, const char* name) {
  const std::string path = (std::filesystem::path(folder) / name).string();
  return {has_entry(path) ? read_json(path) : Json::object(), path};
}

// A token in a file: its text, or an object with its text and looks. `special` where the file's place for it implies so.
AddedToken parse_token(const Json& value, bool special, const std::string& where, const std::string& field) {
  if (value.is_string()) return {value.get<std::string>(), false, {}};
  if (!value.is_object()) fail(ErrorKind::bad_file, where, ": field ", field, ": expected a token (a string or an object with its content)");
  const std::string place = where + ": field " + field;
  const JsonObject token(value, place);
  AddedToken result{token.text("content", ""), token.boolean("normalized", !token.boolean("special", special)), {}};
  if (token.boolean("single_word", false))
    fail(ErrorKind::unsupported, where, ": token ", in_quotes(result.content), " matches single words only, which is not supported");
  return result;
}

// Collects tokens in the order in which transformers adds them.
class ConfigReader {
 public:
  ConfigReader(const std::string& folder, const std::string& pad)
      : pad_(pad),
        config_(read_optional(folder, "tokenizer_config.json")),
        map_(read_optional(folder, "special_tokens_map.json")),
        legacy_(read_optional(folder, "added_tokens.json")),
        has_decoder_(config_.has("added_tokens_decoder")) {}

  TokenizerConfig read() {
    read_named();
    has_decoder_ ? read_decoder() : read_legacy();
    for (const auto& [id, token] : numbered_) add(token);
    for (const char* key : kNamed)
      if (const auto named = named_.find(key); named != named_.end()) add(with_looks(named->second));
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) read_list(key);
    result_.max_length = max_length();
    return std::move(result_);
  }

 private:
  void read_named() {
    named_ = {{"bos_token", {result_.start, false, {}}},
              {"eos_token", {result_.end, false, {}}},
              {"unk_token", {result_.unknown, false, {}}},
              {"pad_token", {result_.pad, false, {}}}};
    for (const char* key : kNamed) {
      if (config_.has(key)) named_[key] = parse_token(config_.value().at(key), false, config_.where(), key);
      if (!has_decoder_ && map_.has(key)) named_[key] = parse_token(map_.value().at(key), true, map_.where(), key);
    }
    if (!pad_.empty()) named_["pad_token"] = {pad_, false, {}};
    result_.start = named_["bos_token"].content;
    result_.end = named_["eos_token"].content;
    result_.unknown = named_["unk_token"].content;
    result_.pad = named_["pad_token"].content;
  }

  void read_decoder() {
    const std::string place = config_.where() + ": field added_tokens_decoder";
    const JsonObject decoder(config_.value().at("added_tokens_decoder"), place);
    for (const auto& [key, value] : decoder.value().items()) {
      std::int64_t id = -1;
      const auto parsed = std::from_chars(key.data(), key.data() + key.size(), id);
      if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() || id < 0)
        fail(ErrorKind::bad_file, decoder.where(), ": expected ids, found ", in_quotes(key));
      if (numbered_.size() == kMaxAddedTokens) fail(ErrorKind::unsupported, decoder.where(), ": has more than ", kMaxAddedTokens, " tokens");
      numbered_[id] = parse_token(value, false, decoder.where(), key);
      numbered_[id].id = id;
    }
  }

  // added_tokens.json: {"content": id}.
  void read_legacy() {
    if (legacy_.value().size() > kMaxAddedTokens) fail(ErrorKind::unsupported, legacy_.where(), ": has more than ", kMaxAddedTokens, " tokens");
    std::set<std::string> special;
    for (const auto& [key, token] : named_) special.insert(token.content);
    for (const auto& [content, value] : legacy_.value().items()) {
      const std::int64_t id = legacy_.integer(content.c_str(), 0, 0, INT32_MAX);
      numbered_[id] = {content, !special.contains(content), id};
    }
  }

  // A named token that also stands among the numbered ones looks as it does there.
  AddedToken with_looks(const AddedToken& named) const {
    for (const auto& [id, token] : numbered_)
      if (token.content == named.content) return token;
    return named;
  }

  void read_list(const char* key) {
    const JsonObject& source = !has_decoder_ && map_.has(key) ? map_ : config_;
    if (!source.has(key)) return;
    const Json& list = source.value().at(key);
    if (!list.is_array()) fail(ErrorKind::bad_file, source.where(), ": field ", key, ": expected an array of tokens");
    for (const Json& value : list) add(with_looks(parse_token(value, true, source.where(), key)));
  }

  void add(const AddedToken& token) {
    if (token.content.empty()) return;
    const auto same = std::find_if(result_.added.begin(), result_.added.end(), [&](const AddedToken& t) { return t.content == token.content; });
    if (same != result_.added.end()) {
      same->normalized = token.normalized;
      return;
    }
    if (result_.added.size() == kMaxAddedTokens) fail(ErrorKind::unsupported, config_.where(), ": has more than ", kMaxAddedTokens, " added tokens");
    result_.added.push_back(token);
  }

  std::int32_t max_length() const {
    const double length = config_.number("model_max_length", 77);
    if (length > kMaxLength) return 77;
    if (length < 3 || length != static_cast<std::int32_t>(length))
      fail(ErrorKind::bad_file, config_.where(), ": field model_max_length: expected a whole number of 3 or more, found ", length);
    return static_cast<std::int32_t>(length);
  }

  const std::string pad_;
  const JsonObject config_, map_, legacy_;
  const bool has_decoder_;
  std::map<std::string, AddedToken> named_;
  std::map<std::int64_t, AddedToken> numbered_;
  TokenizerConfig result_;
};

}  // namespace

TokenizerConfig read_tokenizer_config(const std::string& folder, const std::string& pad) { return ConfigReader(folder, pad).read(); }

}  // namespace impasto
