// The publishers of a simulation: every way to publish.
#include "busway/typed.hpp"
#include "serial.hpp"
#include "world.hpp"

namespace busway::simulation {
namespace {

constexpr std::array<std::string_view, 4> kKeys{"", "k1", "k2", "k3"};

}  // namespace

/// Sometimes with the id of an earlier event, as a publisher that repeats itself would.
EventOptions World::random_options(EventRecord& event, std::string_view key) {
  EventOptions options;
  options.priority = event.priority;
  options.key = key;
  if (!random_.one_in(6)) return options;
  const EventRecord& other = random_.pick(model_.events);
  if (!other.id.is_nil()) options.id = event.id = other.id;
  return options;
}

void World::publish_random() {
  constexpr std::array<unsigned, 7> kWays{4, 2, 1, 4, 3, 2, 2};
  const std::string_view topic = random_.pick(all_topics());
  publish(topic, static_cast<Way>(random_.weighted(kWays)));
}

void World::publish(std::string_view topic, Way way) {
  // No two events have the same time.
  move_clock(std::chrono::nanoseconds(1));
  const bool plain = way == Way::typed || way == Way::topic;
  const std::string_view key = plain ? kKeys[0] : random_.pick(kKeys);
  const auto priority = plain ? Priority::normal : static_cast<Priority>(random_.below(3));
  const bool async = way == Way::async_topic || way == Way::async_event;
  EventRecord& event = model_.new_event(std::string(topic), std::string(key), priority, async);
  const EventOptions options = plain ? EventOptions{} : random_options(event, key);
  say("publish event " + std::to_string(event.serial) + " " + event.topic +
      (async ? " async" : ""));
  const Json json(event.serial);
  model_.begin_publish(event);
  PublishResult result;
  switch (way) {
    case Way::typed: result = bus_->publish(topic, Numbered{event.serial}); break;
    case Way::topic: result = bus_->topic(topic).publish(Numbered{event.serial}); break;
    case Way::publisher: result = bus_->publisher("shop").publish(topic, json, options); break;
    case Way::options: result = bus_->publish(topic, json, options); break;
    case Way::event: result = bus_->publish(Event(topic, Payload::json(json), options)); break;
    case Way::async_topic:
    case Way::async_event: result = publish_async(event, options, way).result(); break;
  }
  model_.end_publish(event);
  model_.check_result(event, result);
}

Receipt World::publish_async(EventRecord& event, const EventOptions& options, Way way) {
  const Json json(event.serial);
  Receipt receipt = way == Way::async_topic
                        ? bus_->publish_async(event.topic, json, options)
                        : bus_->publish_async(Event(event.topic, Payload::json(json), options));
  receipts_.push_back({&event, receipt});
  return receipt;
}

/// Waiting on the thread that pumps runs what is ready, this very handler aside.
void World::publish_and_wait(std::string_view topic) {
  publish(topic, Way::async_topic);
  const Receipt receipt = receipts_.back().receipt;
  say("wait for it");
  (void)receipt.wait_for(std::chrono::hours(1000));
}

void World::publish_batch() {
  // What happens between its events only an observing filter can tell.
  if (!shape_.model.observed || !batch_.empty()) return publish_random();
  std::vector<Event> events;
  std::vector<EventRecord*> records;
  for (std::size_t i = random_.between(1, 4); i > 0; --i) {
    const std::string_view topic = random_.pick(all_topics());
    const std::string_view key = random_.pick(kKeys);
    const auto priority = static_cast<Priority>(random_.below(3));
    EventRecord& event = model_.new_event(std::string(topic), std::string(key), priority, false);
    say("publish in a batch: event " + std::to_string(event.serial) + " " + event.topic);
    events.emplace_back(topic, Payload::json(Json(event.serial)), random_options(event, key));
    records.push_back(&event);
  }
  batch_ = records;
  const std::vector<PublishResult> results = bus_->publish_batch(events);
  if (batch_at_ != nullptr) model_.end_publish(*std::exchange(batch_at_, nullptr));
  batch_.clear();
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (!records[i]->begun) {
      model_.begin_publish(*records[i]);
      model_.end_publish(*records[i]);
    }
    model_.check_result(*records[i], results.at(i));
  }
}

/// The bus's filter. An event of a batch begins here.
bool World::admit(const Event& event) {
  EventRecord* record = model_.event_of(serial_of(event));
  if (record == nullptr) {
    model_.fail("no event comes from nowhere", std::string(event.topic()));
    return true;
  }
  if (!record->begun) {
    if (batch_at_ != nullptr) model_.end_publish(*batch_at_);
    batch_at_ = record;
    move_clock(std::chrono::nanoseconds(1));
    model_.begin_publish(*record);
    record->time = event.time();  // stamped before the clock was moved
  }
  return !model_.rejected(*record);
}

}  // namespace busway::simulation
