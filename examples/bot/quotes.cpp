// Quotes: keeps what is worth remembering.
//
//   !quote add TEXT   keeps it
//   !quote            gives one, each in its turn
//   !quote 3          gives number 3
//
//   hears       chat.message  {name, text}
//   publishes   chat.reply    {text}
//               quote.added   {number, text, by}
#include <busway/plugin.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using busway::Json;

struct ChatMessage {
  std::string name;
  std::string text;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ChatMessage, name, text)

/// A typed event: a struct with its topic. publish(QuoteAdded{...}) needs no more; who receives it
/// declares a struct of its own, with the fields it wants.
struct QuoteAdded {
  static constexpr std::string_view topic = "quote.added";
  std::size_t number;
  std::string text;
  std::string by;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(QuoteAdded, number, text, by)

constexpr std::size_t kQuotesMax = 1000;

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

class Quotes : public busway::Plugin {
 private:
  void start() override {
    subscribe<ChatMessage>("chat.message", [this](const ChatMessage& message) { on_chat(message); },
                           {.mode = Mode::sync});
  }

  Json save_state() override { return {{"quotes", quotes_}, {"next", next_}, {"given", given_}}; }
  void restore_state(std::uint32_t /*version*/, const Json& state) override {
    quotes_ = state.at("quotes");
    next_ = state.at("next");
    given_ = state.at("given");
  }

  void stop() override { publish("run.summary", {{"given", given_}, {"quotes", quotes_.size()}}); }

  void on_chat(const ChatMessage& message) {
    constexpr std::string_view command = "!quote";
    std::string_view text = trim(message.text);
    if (!text.starts_with(command)) return;
    text.remove_prefix(command.size());
    if (text.empty()) return give_next();
    if (!text.starts_with(' ')) return;  // another word, such as !quotes
    text = trim(text);
    if (text.starts_with("add ")) return add(trim(text.substr(4)), message.name);

    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return give(number);
    say("Say !quote add TEXT, !quote, or !quote NUMBER.");
  }

  void add(std::string_view text, const std::string& by) {
    if (quotes_.size() == kQuotesMax) return say("The book is full.");
    quotes_.emplace_back(text);
    publish(QuoteAdded{.number = quotes_.size(), .text = quotes_.back(), .by = by});
    say("Quote " + std::to_string(quotes_.size()) + " is kept.");
  }

  void give_next() {
    if (quotes_.empty()) return say("There is no quote yet. Say !quote add TEXT.");
    next_ = next_ % quotes_.size() + 1;
    give(next_);
  }

  void give(std::size_t number) {
    if (number == 0 || number > quotes_.size()) {
      return say("There is no quote " + std::to_string(number) + "; the last is " +
                 std::to_string(quotes_.size()) + ".");
    }
    ++given_;
    say("#" + std::to_string(number) + ": " + quotes_[number - 1]);
  }

  void say(const std::string& text) { publish("chat.reply", {{"text", text}}); }

  std::vector<std::string> quotes_;  // number 1 first
  std::size_t next_ = 0;
  std::size_t given_ = 0;
};

}  // namespace

BUSWAY_PLUGIN(Quotes)
