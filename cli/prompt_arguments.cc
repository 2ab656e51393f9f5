#include "cli/prompt_arguments.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string_view>
#include <system_error>

#include <unistd.h>

#include "cli/arguments.h"
#include "cli/text.h"
#include "impasto/error.h"
#include "impasto/hub.h"

namespace impasto::cli {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

std::string read_text(const std::string& path) {
  constexpr std::size_t kMost = 1u << 20;  // far beyond any prompt; keeps /dev/zero from filling the memory
  const std::unique_ptr<std::FILE, CloseFile> file(path == "-" ? stdin : std::fopen(path.c_str(), "rb"));
  const auto reason = [] { return std::generic_category().message(errno); };
  if (!file) throw Error(errno == ENOENT ? ErrorKind::not_found : ErrorKind::io, "--prompt-file: cannot open \"" + path + "\": " + reason());
  std::string text(kMost + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) throw Error(ErrorKind::io, "--prompt-file: cannot read \"" + path + "\": " + reason());
  if (text.size() > kMost) throw Error(ErrorKind::invalid_argument, "--prompt-file: \"" + path + "\" is longer than 1 MiB");
  if (constexpr std::string_view kByteOrder = "\xEF\xBB\xBF"; text.starts_with(kByteOrder)) text.erase(0, kByteOrder.size());
  if (!text.empty() && text.back() == '\n') text.pop_back();
  if (!text.empty() && text.back() == '\r') text.pop_back();
  return text;
}

/// Lines that hold more than white space, without it at their ends. `path` is the file's, for messages.
std::vector<std::string> lines_of(const std::string& text, const std::string& path) {
  constexpr const char* kSpace = " \t\r\v\f";
  std::vector<std::string> lines;
  std::istringstream stream(text);
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (!is_utf8(line))
      throw Error(ErrorKind::invalid_argument, "--prompt-file: line " + std::to_string(number) + " of \"" + path + "\" is not valid UTF-8");
    const auto begin = line.find_first_not_of(kSpace);
    if (begin != std::string::npos) lines.push_back(line.substr(begin, line.find_last_not_of(kSpace) + 1 - begin));
  }
  return lines;
}

PromptSyntax parse_syntax(const std::string& name) {
  try {
    return prompt_syntax_named(name);
  } catch (const Error& error) {
    throw CLI::ValidationError("--prompt-syntax", error.what());
  }
}

}  // namespace

void add_prompt_options(CLI::App& app, PromptArguments& a, TextToImageOptions& o) {
  const auto take = [&a](const std::string& text) { a.text = text; };
  auto* prompt = app.add_option_function<std::string>("-p,--prompt", take, "What to draw; - reads it from standard input");
  prompt->type_name("PROMPT");
  auto* file = app.add_option("--prompt-file", a.file, "Draw each line of a file")->type_name("FILE");
  auto* embeds =
      app.add_option("--prompt-embeds", a.embeds, "Embeddings instead of a prompt: a file with tensors prompt_embeds, negative_prompt_embeds, ...");
  embeds->type_name("FILE");
  const auto take_first = [take, prompt, file, embeds](const std::string& text) {
    for (const CLI::Option* other : {prompt, file, embeds})
      if (other->count() > 0) throw CLI::ValidationError(other->get_name(), "the prompt is \"" + text + "\" already; give one of the two");
    take(text);
  };
  auto* first = app.add_option_function<std::string>("prompt", take_first, "What to draw")->type_name("PROMPT");
  auto* negative = app.add_option("-n,--negative-prompt", o.negative_prompt, "What to keep away from")->type_name("TEXT");
  const auto take_syntax = [&o](const std::string& name) { o.prompt_syntax = parse_syntax(name); };
  auto* syntax = app.add_option_function<std::string>("--prompt-syntax", take_syntax,
                                                      "How prompts are read: plain (every character is text, 77 tokens), a1111 or comfyui (weights "
                                                      "such as (a:1.2), any length; a1111 also [a:b:0.5]) (default plain)");
  syntax->type_name("NAME");
  auto* wildcards = app.add_option("--wildcards", a.wildcards, "Replace each __NAME__ in prompts by a line of DIR/NAME.txt, drawn by the seed");
  wildcards->type_name("DIR");
  auto* embedding =
      app.add_option("--embedding", a.embeddings,
                     "A textual inversion: its file's name without extension, or WORD, stands for it in prompts; may be given several times");
  embedding->type_name("FILE[=WORD]")->allow_extra_args(false);
  auto* folder = app.add_option("--embeddings,--embd-dir", a.embeddings_folder,
                                "Use the textual inversions of this folder whose names occur in the prompts (default: $IMPASTO_EMBEDDINGS)");
  folder->type_name("DIR");
  prompt->excludes(file);
  embeds->excludes(prompt)->excludes(file)->excludes(wildcards);
  must_be_text(prompt), must_be_text(first), must_be_text(negative);
  first->group("");  // the help's first line has it
  for (auto* option : {prompt, file, embeds, negative, syntax, wildcards, embedding, folder}) option->group("Prompt");
}

std::vector<std::string> read_prompts(const PromptArguments& a) {
  if (!a.embeds.empty()) return {""};
  if (!a.text && a.file.empty()) {
    throw Error(ErrorKind::invalid_argument, "prompt: say what to draw, as in: impasto generate \"a lighthouse at dusk\"");
  }
  const bool from_stdin = a.text == "-" || a.file == "-";
  if (from_stdin && ::isatty(STDIN_FILENO) == 1) std::fputs("Type the prompt, then Ctrl-D:\n", stderr);
  const std::string file = from_stdin ? "-" : a.file;
  const std::string text = file.empty() ? *a.text : read_text(file);
  if (text.find('\0') != std::string::npos) throw Error(ErrorKind::invalid_argument, "prompt: it holds a NUL byte, so it is not text");
  if (from_stdin && a.file.empty() && !is_utf8(text)) throw Error(ErrorKind::invalid_argument, "prompt: standard input is not valid UTF-8");
  if (a.file.empty()) return {text};
  std::vector<std::string> prompts = lines_of(text, a.file);
  if (prompts.empty()) throw Error(ErrorKind::invalid_argument, "--prompt-file: \"" + a.file + "\" has no line with a prompt");
  return prompts;
}

NamedEmbedding parse_embedding(const std::string& text) {
  std::error_code unseen;  // what cannot be looked at is told when it is opened
  const auto equals = std::filesystem::exists(text, unseen) ? std::string::npos : text.rfind('=');
  if (equals == std::string::npos) return {text, {}};
  if (equals + 1 == text.size()) throw Error(ErrorKind::invalid_argument, "--embedding " + text + ": no word behind the =");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::vector<Embedding> read_embeddings(const PromptArguments& a, const std::string& text) {
  std::vector<Embedding> embeddings;
  for (const std::string& given : a.embeddings) {
    const NamedEmbedding named = parse_embedding(given);
    embeddings.push_back(read_embedding(find_adapter(named.file)));
    if (named.word) embeddings.back().names = {*named.word};
  }
  const char* standing = std::getenv("IMPASTO_EMBEDDINGS");
  const std::string folder = !a.embeddings_folder.empty() ? a.embeddings_folder : standing != nullptr ? standing : "";
  if (folder.empty()) return embeddings;
  for (const std::string& file : find_embeddings(folder, text)) embeddings.push_back(read_embedding(file));
  return embeddings;
}

}  // namespace impasto::cli
