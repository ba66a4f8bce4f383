// Stats: counts what happens in the chat and in the games, and tells it on !stats.
//
//   hears       chat.*      messages, notices, and the replies of whoever answers
//               trivia.*    games, without knowing who runs them
//   publishes   chat.reply  {text}
//
// One subscription may have several patterns; its events then come in one order. The topic says
// which is which.
#include <busway/plugin.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace {

using busway::Json;
using busway::PluginEvent;

/// What strangers can make grow has a bound.
constexpr std::size_t kPeopleMax = 10'000;

std::string count(std::size_t number, const std::string& one, const std::string& many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

class Stats : public busway::Plugin {
 private:
  void start() override {
    subscribe({"chat.*", "trivia.*"}, &Stats::on_event, {.mode = Mode::sync});
  }

  Json save_state() override {
    return {{"messages", messages_}, {"notices", notices_},         {"replies", replies_},
            {"games", games_},       {"messages_by", messages_by_}, {"wins_by", wins_by_}};
  }
  void restore_state(std::uint32_t /*version*/, const Json& state) override {
    messages_ = state.at("messages");
    notices_ = state.at("notices");
    replies_ = state.at("replies");
    games_ = state.at("games");
    messages_by_ = state.at("messages_by");
    wins_by_ = state.at("wins_by");
  }

  void stop() override {
    publish("run.summary", {{"games", games_},
                            {"messages", messages_},
                            {"notices", notices_},
                            {"people", messages_by_.size()},
                            {"replies", replies_}});
  }

  void on_event(const PluginEvent& event) {
    if (event.topic() == "chat.message") on_message(event.json());
    if (event.topic() == "chat.notice") ++notices_;
    if (event.topic() == "chat.reply") ++replies_;
    if (event.topic() == "trivia.started") ++games_;
    if (event.topic() == "trivia.ended") on_game_ended(event.json());
  }

  void on_message(const Json& message) {
    ++messages_;
    const auto name = message.at("name").get<std::string>();
    if (messages_by_.contains(name) || messages_by_.size() < kPeopleMax) ++messages_by_[name];
    if (message.at("text") == "!stats") tell();
  }

  /// A payload that is not as expected throws here; the host counts the delivery as failed, says
  /// why, and the next event comes.
  void on_game_ended(const Json& game) {
    if (!game.at("winner").is_null()) ++wins_by_[game.at("winner").get<std::string>()];
  }

  void tell() {
    const auto fewer = [](const auto& a, const auto& b) { return a.second < b.second; };
    const auto top = std::max_element(messages_by_.begin(), messages_by_.end(), fewer);
    std::string text = count(messages_, "message", "messages") + " from " +
                       count(messages_by_.size(), "person", "people") + ", most by " + top->first +
                       " (" + std::to_string(top->second) + "); " + count(games_, "game", "games");
    if (const auto best = std::max_element(wins_by_.begin(), wins_by_.end(), fewer);
        best != wins_by_.end()) {
      text += ", " + best->first + " leads with " + count(best->second, "win", "wins");
    }
    publish("chat.reply", {{"text", text}});
  }

  std::size_t messages_ = 0;
  std::size_t notices_ = 0;
  std::size_t replies_ = 0;
  std::size_t games_ = 0;
  std::map<std::string, std::size_t> messages_by_;
  std::map<std::string, std::size_t> wins_by_;  // grows by one a game at most
};

}  // namespace

BUSWAY_PLUGIN(Stats)
