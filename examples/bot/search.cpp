// Search: finds quotes by their words.
//
//   !search WORD...   tells which quotes have all of the words
//
//   hears       quote.added   {number, text}, from whoever keeps quotes
//               chat.message  {name, text}
//   publishes   chat.reply    {text}
//
// The index is built from events alone: without a plugin that keeps quotes it stays empty, and
// nothing breaks.
#include <busway/plugin.hpp>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace {

using busway::Json;

struct Quote {
  std::size_t number;
  std::string text;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Quote, number, text)

constexpr std::size_t kQuotesMax = 10'000;
constexpr std::size_t kShownMax = 3;

using Numbers = std::set<std::size_t>;

/// The words in lower case; what is neither letter nor digit separates them.
std::set<std::string> words_of(std::string_view text) {
  std::set<std::string> words;
  std::string word;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte) != 0) {
      word += static_cast<char>(std::tolower(byte));
    } else if (!word.empty()) {
      words.insert(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.insert(std::move(word));
  return words;
}

class Search : public busway::Plugin {
 private:
  void start() override {
    subscribe<Quote>("quote.added", [this](const Quote& quote) { add(quote); },
                     {.mode = Mode::sync});
    subscribe("chat.message", &Search::on_chat, {.mode = Mode::sync});
  }

  /// The index is made again from what it holds.
  Json save_state() override {
    return {{"texts", texts_}, {"searches", searches_}, {"found", found_}};
  }
  void restore_state(std::uint32_t /*version*/, const Json& state) override {
    for (const auto& [number, text] : state.at("texts").get<decltype(texts_)>()) {
      add({number, text});
    }
    searches_ = state.at("searches");
    found_ = state.at("found");
  }

  void stop() override {
    publish("run.summary", {{"found", found_}, {"quotes", texts_.size()}, {"searches", searches_}});
  }

  void add(const Quote& quote) {
    if (texts_.size() == kQuotesMax) {
      log(busway::LogLevel::warning,
          "the index is full; quote " + std::to_string(quote.number) + " cannot be found");
      return;
    }
    texts_[quote.number] = quote.text;
    for (const std::string& word : words_of(quote.text)) index_[word].insert(quote.number);
  }

  /// A handler may also take the payload as JSON.
  void on_chat(const Json& message) {
    constexpr std::string_view command = "!search ";
    const auto text = message.at("text").get<std::string>();
    if (!text.starts_with(command)) return;
    const std::set<std::string> words = words_of(std::string_view(text).substr(command.size()));
    if (words.empty()) return;
    ++searches_;
    tell(find(words));
  }

  [[nodiscard]] Numbers find(const std::set<std::string>& words) const {
    Numbers all;
    for (bool first = true; const std::string& word : words) {
      const auto with_word = index_.find(word);
      if (with_word == index_.end()) return {};
      Numbers both;
      std::set_intersection(with_word->second.begin(), with_word->second.end(), all.begin(),
                            all.end(), std::inserter(both, both.end()));
      all = first ? with_word->second : both;
      first = false;
    }
    return all;
  }

  void tell(const Numbers& numbers) {
    if (numbers.empty()) return say("No quote has that.");
    found_ += numbers.size();
    std::string text;
    std::size_t shown = 0;
    for (const std::size_t number : numbers) {
      if (shown++ == kShownMax) break;
      text += (text.empty() ? "#" : " | #") + std::to_string(number) + ": " + texts_.at(number);
    }
    if (numbers.size() > kShownMax) {
      text += " | and " + std::to_string(numbers.size() - kShownMax) + " more";
    }
    say(text);
  }

  void say(const std::string& text) { publish("chat.reply", {{"text", text}}); }

  std::map<std::string, Numbers> index_;  // word -> quotes that have it
  std::map<std::size_t, std::string> texts_;
  std::size_t searches_ = 0;
  std::size_t found_ = 0;
};

}  // namespace

BUSWAY_PLUGIN(Search)
