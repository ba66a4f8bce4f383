// Trivia: asks a question on !trivia; the first right answer wins.
//
//   hears       chat.message    {name, text}
//   publishes   chat.reply      {text}
//               trivia.started  {question, timeout}   timeout in seconds
//               trivia.ended    {winner, answer}      winner is null when nobody knew it in time
//
// A plugin is one class. It knows no other plugin, only events: whoever counts winners or shows
// replies listens to the topics above.
#include <busway/plugin.hpp>

#include <array>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using busway::Json;

/// What this plugin needs of a chat.message. Fields it does not name are ignored, so the console
/// may add some without breaking anybody.
struct ChatMessage {
  std::string name;
  std::string text;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ChatMessage, name, text)

struct Question {
  std::string_view text;
  std::string_view answer;
};

constexpr std::array kQuestions{
    Question{"Which planet is nearest to the sun?", "Mercury"},
    Question{"How many bits has a byte?", "8"},
    Question{"What is the capital of Australia?", "Canberra"},
    Question{"Which gas do plants take from the air?", "carbon dioxide"},
    Question{"Who wrote the first program for a machine that was never built?", "Ada Lovelace"},
    Question{"How many strings has a violin?", "4"},
    Question{"Which ocean is the deepest?", "Pacific"},
    Question{"In which year did people first walk on the moon?", "1969"},
};

/// Lower case, and only letters, digits and single blanks: "  Carbon-Dioxide!" is "carbon dioxide".
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte) != 0) {
      out += static_cast<char>(std::tolower(byte));
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

class Trivia : public busway::Plugin {
 private:
  /// The part of the configuration file under this plugin's `config:`.
  void setup(const Json& config) override {
    const Json seconds = config.value("timeout_seconds", Json(30));
    if (!seconds.is_number_integer() || seconds < 1 || seconds > 3600) {
      throw std::invalid_argument("timeout_seconds: a whole number from 1 to 3600 is wanted, not " +
                                  seconds.dump());
    }
    timeout_ = std::chrono::seconds(seconds.get<int>());
  }

  /// Mode::sync makes the speaker wait for us: the next line comes when this one has been dealt
  /// with. So answers stand in the order of the questions, and a log that is read at full speed
  /// cannot overrun us. A plugin that merely watches leaves the mode out and gets its events
  /// through a mailbox.
  void start() override {
    subscribe<ChatMessage>("chat.message", [this](const ChatMessage& message) { on_chat(message); },
                           {.mode = Mode::sync});
    if (open_) timer_ = after(timeout_, [this] { end(std::nullopt); });
  }

  /// A later build that takes over while the chat goes on knows what this one knew. Timers are not
  /// handed over: whoever has an open question gets the whole time again.
  Json save_state() override {
    return {{"asked", asked_}, {"winners", winners_}, {"open", open_.has_value()}};
  }
  void restore_state(std::uint32_t /*version*/, const Json& state) override {
    asked_ = state.at("asked");
    winners_ = state.at("winners");
    if (state.at("open")) open_ = kQuestions[(asked_ - 1) % kQuestions.size()];
  }

  void stop() override { publish("run.summary", {{"questions", asked_}, {"winners", winners_}}); }

  void on_chat(const ChatMessage& message) {
    if (message.text == "!trivia") {
      ask();
    } else if (open_ && plain(message.text) == plain(open_->answer)) {
      end(message.name);
    }
  }

  void ask() {
    if (open_) return say("One at a time: " + std::string(open_->text));
    open_ = kQuestions[asked_++ % kQuestions.size()];
    // Timers run on the same thread as handlers, so nothing here needs a lock.
    timer_ = after(timeout_, [this] { end(std::nullopt); });
    publish("trivia.started", {{"question", open_->text}, {"timeout", timeout_.count()}});
    say(std::string(open_->text));
  }

  void end(const std::optional<std::string>& winner) {
    const Question question = *open_;
    open_.reset();
    if (winner) {
      cancel(timer_);
      ++winners_;
    }
    publish("trivia.ended",
            {{"winner", winner ? Json(*winner) : Json()}, {"answer", question.answer}});
    say((winner ? "Right, " + *winner + ": " : std::string("Time is up; it was ")) +
        std::string(question.answer) + ".");
  }

  void say(const std::string& text) { publish("chat.reply", {{"text", text}}); }

  std::chrono::seconds timeout_{};
  std::optional<Question> open_;
  TimerId timer_ = 0;
  std::size_t asked_ = 0;
  std::size_t winners_ = 0;
};

}  // namespace

// Makes the class the plugin of this library; its id and version come from busway_add_plugin().
BUSWAY_PLUGIN(Trivia)
