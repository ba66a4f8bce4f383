// A handler that fails is tried again; what fails for good is kept, looked at and sent again.
#include <busway/manual_executor.hpp>
#include <busway/testing/manual_clock.hpp>
#include <busway/typed.hpp>

#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;

struct Mail {
  static constexpr std::string_view topic = "mail.send";
  std::string to;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Mail, to)

/// Refuses everything until the second minute.
class MailServer {
 public:
  explicit MailServer(const busway::Clock& clock) : clock_(clock), up_at_(clock.steady() + 2min) {}

  void send(const Mail& mail) const {
    if (mail.to.find('@') == std::string::npos) throw std::invalid_argument("no address");
    if (clock_.steady() < up_at_) throw std::runtime_error("the server does not answer");
  }

 private:
  const busway::Clock& clock_;
  busway::SteadyTime up_at_;
};

int main() {
  // A clock that is moved by hand, so that this program need not wait. Leave both out in yours.
  const auto clock = std::make_shared<busway::testing::ManualClock>();
  const auto executor = std::make_shared<busway::ManualExecutor>();
  busway::Bus bus({.log = [](auto, auto, auto) {}, .clock = clock, .executor = executor});
  const auto wait = [&](std::chrono::seconds seconds) {
    for (; seconds > 0s; seconds -= 1s) {
      bus.poll();
      clock->advance(1s);
    }
    bus.poll();
  };

  const MailServer server(*clock);
  const busway::Subscription mailer = bus.subscribe<Mail>(
      [&](const Mail& mail, busway::Context& context) {
        try {
          server.send(mail);
          std::cout << "sent to " << mail.to << " at attempt " << context.attempt() << "\n";
          return busway::Outcome::done();
        } catch (const std::invalid_argument& error) {
          return busway::Outcome::dead_letter(error.what());  // no attempt will change that
        }
      },
      {.name = "mailer",
       .mode = busway::Mode::async,
       .retry = busway::RetryPolicy{.max_retries = 2, .initial_delay = 10s}});

  bus.publish(Mail{.to = "ada@example.org"});
  bus.publish(Mail{.to = "nobody"});
  wait(60s);

  for (const busway::DeadLetter& letter : bus.dead_letters().list()) {
    std::cout << letter.event.as<Mail>().to << " after " << letter.last().attempts
              << (letter.last().attempts == 1 ? " attempt: " : " attempts: ")
              << letter.last().reason << "\n";
  }

  wait(60s);  // the server is up now
  bus.dead_letters().redrive({.pattern = "mail.*"});
  wait(1s);
  std::cout << bus.dead_letters().size() << " dead letter left\n";
  bus.dead_letters().purge_all();
}
