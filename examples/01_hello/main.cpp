// Hello: publish and subscribe, with a C++ struct and with JSON.
#include <busway/typed.hpp>

#include <iostream>
#include <string>

struct UserCreated {
  static constexpr std::string_view topic = "users.created";
  std::string name;
  int age = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(UserCreated, name, age)

int main() {
  busway::Bus bus;

  auto greeter = bus.subscribe<UserCreated>(
      [](const UserCreated& user) { std::cout << "hello, " << user.name << "\n"; });
  auto audit = bus.subscribe("users.*", [](const busway::Event& event) {
    std::cout << event.topic() << " " << event.json() << "\n";
  });

  bus.publish(UserCreated{.name = "Ada", .age = 36});
  bus.publish("users.deleted", busway::Json{{"name", "Bob"}});

  // Who publishes a topic often looks it up once.
  const busway::Topic created = bus.topic("users.created");
  for (const char* name : {"Cy", "Di"}) created.publish(UserCreated{.name = name, .age = 20});

  // A publish says what became of it: here two handlers were done.
  const busway::PublishResult result = bus.publish(UserCreated{.name = "Eve", .age = 41});
  std::cout << "delivered " << result.delivered << ": " << result.message() << "\n";

  greeter.reset();  // unsubscribes, as its destructor would
  bus.publish(UserCreated{.name = "Flo", .age = 7});
}
