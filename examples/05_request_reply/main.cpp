// Request and reply: ask whoever knows, without knowing who that is.
#include <busway/typed.hpp>

#include <chrono>
#include <iostream>
#include <string>

using namespace std::chrono_literals;
using busway::Context;
using busway::Json;

struct PriceQuestion {
  static constexpr std::string_view topic = "price.get";
  std::string item;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PriceQuestion, item)

int main() {
  busway::Bus bus;
  const auto ask = [&bus](const std::string& item) {
    const busway::RequestResult answer = bus.request("price.get", PriceQuestion{item}, 1s);
    if (answer.ok()) {
      std::cout << item << " costs " << answer.json().at("cents") << "\n";
    } else {
      std::cout << item << ": " << to_string(answer.code()) << "\n";
    }
  };

  ask("tea");  // nobody is there: the answer comes at once, not after a second

  auto shop = bus.subscribe<PriceQuestion>([](const PriceQuestion& question, Context& context) {
    context.reply(Json{{"cents", question.item == "tea" ? 250 : 300}});
  });
  ask("tea");
  ask("coffee");

  // The first reply wins; a later one is told that nobody waits any more.
  auto rival = bus.subscribe<PriceQuestion>([](const PriceQuestion&, Context& context) {
    const bool taken = context.reply(Json{{"cents", 1}});
    std::cout << (taken ? "the rival sells\n" : "the rival came too late\n");
  });
  ask("tea");

  // An event that is no request has nobody to answer, and that is no error.
  bus.publish(PriceQuestion{"cake"});
}
