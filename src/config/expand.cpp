#include "config/expand.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>

#include "base/escape.hpp"
#include "base/utf8.hpp"
#include "config/limits.hpp"

namespace busway::config {
namespace {

constexpr std::size_t kHostNameBytes = 256;

bool starts_name(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

std::size_t name_length(std::string_view text) noexcept {
  if (text.empty() || !starts_name(text.front())) return 0;
  std::size_t size = 1;
  while (size < text.size() &&
         (starts_name(text[size]) || (text[size] >= '0' && text[size] <= '9'))) {
    ++size;
  }
  return size;
}

// The offset of the '}' that closes what "${" opened before `text`, or npos.
std::size_t closing_brace(std::string_view text) noexcept {
  std::size_t open = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '{') {
      ++open;
      ++i;
    } else if (text[i] == '}' && --open == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

class Expander {
 public:
  Expander(const Variables& variables, std::size_t bytes_max)
      : variables_(variables), bytes_max_(bytes_max) {}

  void run(std::string_view text, std::size_t depth) {
    if (depth > kVariableDepthMax) {
      fail("variables stand within each other's defaults more than " +
           std::to_string(kVariableDepthMax) + " deep");
      return;
    }
    while (!text.empty() && result_.problem.empty()) {
      const std::size_t dollar = text.find('$');
      append(text.substr(0, dollar));
      if (dollar == std::string_view::npos) return;
      text.remove_prefix(dollar);
      if (text.starts_with("$${")) {
        append("${");
        text.remove_prefix(3);
      } else if (text.starts_with("${")) {
        text = reference(text.substr(2), depth);
      } else {
        append("$");
        text.remove_prefix(1);
      }
    }
  }

  [[nodiscard]] Expansion take() { return std::move(result_); }

 private:
  // Expands NAME} or NAME:-default} and returns what follows.
  std::string_view reference(std::string_view text, std::size_t depth) {
    const std::size_t end = closing_brace(text);
    if (end == std::string_view::npos) {
      fail("${ is not closed by }; write $${ where a literal ${ is meant");
      return {};
    }
    const std::string_view inside = text.substr(0, end);
    const std::size_t length = name_length(inside);
    const std::string name(inside.substr(0, length));
    const std::string_view rest = inside.substr(length);
    if (name.empty() || !(rest.empty() || rest.starts_with(":-"))) {
      fail("${" + escape(inside, 60) +
           "} is not a variable: write ${NAME} or ${NAME:-default}, or $${ for a literal ${");
      return {};
    }
    result_.source = Node::Source::variable;
    const std::optional<std::string> value = variables_ ? variables_(name) : std::nullopt;
    if (value && find_invalid_utf8(*value) != std::string_view::npos) {
      fail("the variable " + name + " holds bytes that are not UTF-8");
    } else if (value && (rest.empty() || !value->empty())) {
      append(*value);
    } else if (!rest.empty()) {
      run(rest.substr(2), depth + 1);
    } else {
      fail("the variable " + name + " is not set; set it, or write ${" + name + ":-default}");
    }
    return text.substr(end + 1);
  }

  void append(std::string_view text) {
    if (text.size() > bytes_max_ - result_.text.size()) {
      fail("the text grows beyond " + std::to_string(kTextBytesMax) +
           " bytes once variables are expanded");
      return;
    }
    result_.text += text;
  }

  void fail(std::string problem) {
    if (result_.problem.empty()) result_.problem = std::move(problem);
  }

  const Variables& variables_;
  std::size_t bytes_max_;
  Expansion result_;
};

}  // namespace

std::optional<std::string> process_variable(const std::string& name) {
  if (const char* value = std::getenv(name.c_str()); value != nullptr) {
    if (name != "HOSTNAME" || *value != '\0') return std::string(value);
  }
  if (name != "HOSTNAME") return std::nullopt;
  std::array<char, kHostNameBytes> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) return std::nullopt;
  return std::string(host.data());
}

Expansion expand(std::string_view text, const Variables& variables, std::size_t bytes_max) {
  Expander expander(variables, bytes_max);
  expander.run(text, 0);
  return expander.take();
}

}  // namespace busway::config
