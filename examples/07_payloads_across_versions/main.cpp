// Payloads that change over the years, and events that come from and go to other programs.
#include <busway/cloud_events.hpp>
#include <busway/typed.hpp>

#include <iostream>
#include <string>

using busway::Json;

/// Version 1 was {"name": "Ada Lovelace"}, version 2 had "first" and "last", version 3 adds
/// "country".
struct UserCreated {
  static constexpr std::string_view topic = "users.created";
  static constexpr unsigned schema_version = 3;
  std::string first;
  std::string last;
  std::string country;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(UserCreated, first, last, country)

int main() {
  // Each step leads to the next version; a handler always gets the newest.
  busway::register_upcaster<UserCreated>(1, [](Json old) {
    const auto name = old.at("name").get<std::string>();
    const std::size_t blank = name.find(' ');
    return Json{{"first", name.substr(0, blank)}, {"last", name.substr(blank + 1)}};
  });
  busway::register_upcaster<UserCreated>(2, [](Json old) {
    old["country"] = "unknown";
    return old;
  });

  busway::Bus bus({.instance_id = "crm-1"});
  auto listener = bus.subscribe<UserCreated>([](const UserCreated& user) {
    std::cout << user.last << ", " << user.first << " (" << user.country << ")\n";
  });

  // An event that another program wrote years ago, in the form they all understand.
  const busway::Event old = busway::from_cloud_event(R"({
    "specversion": "1.0", "id": "0190a3f2-7c00-7000-8000-000000000001", "type": "users.created",
    "source": "/crm/import", "time": "2019-05-04T10:00:00Z", "schemaversion": 1, "vendor": "acme",
    "data": {"name": "Ada Lovelace"}})");
  bus.publish(old);
  bus.publish(UserCreated{.first = "Grace", .last = "Hopper", .country = "US"});

  // And out again. What busway has no field for (vendor) is kept; what is unset is left out.
  std::cout << busway::to_cloud_event(old, bus.instance_id()).dump(2) << "\n";

  // What cannot be read as the type is a failed delivery with a reason, never silence.
  const auto result = bus.publish("users.created", Json{{"first", "Ada"}}, {.schema_version = 3});
  std::cout << result.message() << "\n";
}
