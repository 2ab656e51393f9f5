// A1111's text taken apart, and turned into options.
#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include "core/fail.h"
#include "core/guard.h"
#include "core/json.h"
#include "impasto/metadata.h"

namespace impasto {
namespace {

bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_key(char c) { return is_word(c) || c == ' ' || c == '-' || c == '/'; }

using Field = std::pair<std::string, std::string>;

/// Behind a quoted string that begins at `at`, if there is one: "(\\.|[^\\"])+".
std::optional<std::size_t> end_of_quoted(const std::string& line, std::size_t at) {
  if (at >= line.size() || line[at] != '"') return std::nullopt;
  for (std::size_t i = at + 1; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      return i > at + 1 ? std::optional(i + 1) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::string unquoted(const std::string& text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  const Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_string() ? value.get<std::string>() : text;
}

/// The field at `at`, which moves behind it; A1111's expression is \s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$).
std::optional<Field> read_field(const std::string& line, std::size_t& at) {
  std::size_t begin = at;
  while (begin < line.size() && is_space(line[begin])) ++begin;
  std::size_t colon = begin;
  while (colon < line.size() && is_key(line[colon])) ++colon;
  if (colon < begin + 2 || colon == line.size() || line[colon] != ':' || !is_word(line[begin])) return std::nullopt;
  std::size_t value = colon + 1;
  while (value < line.size() && is_space(line[value])) ++value;
  std::size_t end = end_of_quoted(line, value).value_or(line.size() + 1);
  if (end > line.size() || (end < line.size() && line[end] != ',')) end = std::min(line.find(',', value), line.size());
  at = std::min(end + 1, line.size());
  return Field{line.substr(begin, colon - begin), unquoted(line.substr(value, end - value))};
}

std::vector<Field> read_fields(const std::string& line) {
  std::vector<Field> fields;
  for (std::size_t at = 0; at < line.size();) {
    if (auto field = read_field(line, at)) {
      fields.push_back(std::move(*field));
    } else {
      ++at;
    }
  }
  return fields;
}

std::string trimmed(const std::string& text) {
  const auto begin = std::find_if_not(text.begin(), text.end(), is_space);
  const auto end = std::find_if_not(text.rbegin(), std::make_reverse_iterator(begin), is_space).base();
  return {begin, end};
}

Infotext parse(const std::string& text) {
  constexpr std::size_t kFewestFields = 3;  // else the last line belongs to the prompt
  constexpr std::string_view kNegative = "Negative prompt:";
  std::vector<std::string> lines;
  std::istringstream stream(trimmed(text));
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  Infotext out;
  if (!lines.empty()) out.fields = read_fields(lines.back());
  if (out.fields.size() < kFewestFields) {
    out.fields.clear();
  } else {
    lines.pop_back();
  }
  std::string* to = &out.prompt;
  for (const std::string& line : lines) {
    const std::string words = trimmed(line);
    const bool negative = words.rfind(kNegative, 0) == 0;
    if (negative) to = &out.negative_prompt;
    *to += (to->empty() ? "" : "\n") + (negative ? trimmed(words.substr(kNegative.size())) : words);
  }
  return out;
}

/// Sets options by the fields; what cannot be understood becomes a warning.
class Applier {
 public:
  Applier(const Infotext& text, InpaintOptions& options) : text_(text), o_(options) {}

  std::vector<std::string> apply() {
    o_.prompt = text_.prompt;
    o_.negative_prompt = text_.negative_prompt;
    read("Steps", [&](const std::string& value) { return number(value, o_.num_inference_steps); });
    read("CFG scale", [&](const std::string& value) { return number(value, o_.guidance_scale); });
    read("Seed", [&](const std::string& value) { return number(value, o_.seed.emplace()); });
    read("Variation seed", [&](const std::string& value) { return number(value, o_.variation_seed.emplace()); });
    read("Variation seed strength", [&](const std::string& value) { return number(value, o_.variation_strength); });
    read("Size", [&](const std::string& value) { return size(value); });
    read("Sampler", [&](const std::string& value) { return sampler(value); });
    read("Schedule type", [&](const std::string& value) { return schedule(value); });
    read("Clip skip", [&](const std::string& value) { return number(value, o_.clip_skip) && --o_.clip_skip >= 0; });
    prompt_syntax();
    read("Eta DDIM", [&](const std::string& value) { return number(value, o_.eta); });
    read("CFG Rescale", [&](const std::string& value) { return number(value, o_.guidance_rescale); });
    read("Guidance start", [&](const std::string& value) { return number(value, o_.guidance_start); });
    read("Guidance stop", [&](const std::string& value) { return number(value, o_.guidance_stop); });
    read("Deep cache interval", [&](const std::string& value) { return number(value, o_.deep_cache_interval); });
    read("Token merging ratio", [&](const std::string& value) { return number(value, o_.token_merging_ratio); });
    if (text_.value("VAE tiling") == "true") o_.vae_tiling = true;
    read("Denoising strength", [&](const std::string& value) { return number(value, o_.strength); });
    read("Mask blur", [&](const std::string& value) { return number(value, o_.mask_blur); });
    read("Masked area padding", [&](const std::string& value) { return number(value, o_.inpaint_padding); });
    if (text_.value("Mask mode") == "Inpaint not masked") o_.invert_mask = true;
    if (text_.value("Inpaint area") == "Only masked") o_.inpaint_area = InpaintArea::masked;
    return std::move(warnings_);
  }

 private:
  template <typename F>
  void read(const char* key, const F& set) {
    const std::string value = text_.value(key);
    if (!value.empty() && !set(value)) warnings_.push_back(concat("\"", key, ": ", value, "\" is not understood and was left out"));
  }

  template <typename T>
  static bool number(const std::string& value, T& target) {
    T parsed{};
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc() || end != value.data() + value.size()) return false;
    target = parsed;
    return true;
  }

  bool size(const std::string& value) {
    const auto x = value.find('x');
    return x != std::string::npos && number(value.substr(0, x), o_.width) && number(value.substr(x + 1), o_.height);
  }

  /// Our pictures say it where it is not plain; other programs write A1111's text because they read A1111's syntax.
  void prompt_syntax() {
    if (text_.fields.empty()) return;
    o_.prompt_syntax = PromptSyntax::plain;
    if (text_.value("Version").starts_with("impasto ")) {
      read("Prompt syntax", [&](const std::string& value) { return named_syntax(value); });
      return;
    }
    o_.prompt_syntax = PromptSyntax::a1111;
    warnings_.push_back("it was drawn by another program: its prompts are read in a1111 syntax");
    const std::string emphasis = text_.value("Emphasis");
    if (!emphasis.empty() && emphasis != "Original")
      warnings_.push_back(concat("\"Emphasis: ", emphasis, "\" is not supported: weights are applied as by \"Original\""));
  }

  bool named_syntax(const std::string& name) {
    for (const PromptSyntax syntax : {PromptSyntax::a1111, PromptSyntax::comfyui}) {
      if (name != to_string(syntax)) continue;
      o_.prompt_syntax = syntax;
      return true;
    }
    return false;
  }

  /// Also as it was written before "Schedule type" came up: "DPM++ 2M Karras".
  bool sampler(const std::string& name) {
    const auto found = find_scheduler(name);
    if (!found) return false;
    o_.scheduler = found->scheduler;
    o_.schedule = found->schedule;
    o_.use_karras_sigmas.reset();
    return true;
  }

  bool schedule(const std::string& name) {
    const auto found = find_schedule(name);
    if (!found) return false;
    o_.use_karras_sigmas.reset();
    o_.schedule = found->empty() ? automatic_schedule(o_.scheduler) : *found;
    return true;
  }

  /// What A1111 takes by itself.
  static std::string automatic_schedule(const std::string& sampler) {
    for (const char* karras : {"dpm++_2m", "dpm++_sde", "dpm2", "dpm2_a"})
      if (sampler == karras) return "karras";
    return sampler == "dpm++_2m_sde" ? "exponential" : "uniform";
  }

  const Infotext& text_;
  InpaintOptions& o_;
  std::vector<std::string> warnings_;
};

}  // namespace

std::string Infotext::value(const std::string& key) const {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.first == key; });
  return found == fields.end() ? "" : found->second;
}

Infotext parse_infotext(const std::string& text) {
  return guarded([&] { return parse(text); });
}

std::vector<std::string> apply_infotext(const Infotext& text, InpaintOptions& options) {
  return guarded([&] { return Applier(text, options).apply(); });
}

}  // namespace impasto
