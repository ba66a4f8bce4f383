#include "plugin/isolation/wire.hpp"

#include <algorithm>

namespace busway::plugin_host_detail::wire {
namespace {

constexpr std::size_t kRequiresMax = 256;

constexpr std::array kEventViews{
    &busway_event::topic,          &busway_event::source,     &busway_event::payload,
    &busway_event::content_type,   &busway_event::metadata,   &busway_event::key,
    &busway_event::user_id,        &busway_event::session_id, &busway_event::instance_id,
    &busway_event::schema,         &busway_event::entity,     &busway_event::operation,
    &busway_event::correlation_id, &busway_event::traceparent};
constexpr std::array kMessageViews{&busway_message::topic,
                                   &busway_message::payload,
                                   &busway_message::content_type,
                                   &busway_message::metadata,
                                   &busway_message::key,
                                   &busway_message::user_id,
                                   &busway_message::session_id,
                                   &busway_message::schema,
                                   &busway_message::entity,
                                   &busway_message::operation,
                                   &busway_message::correlation_id,
                                   &busway_message::traceparent};
constexpr std::array kOptionViews{&busway_subscribe_options::name,
                                  &busway_subscribe_options::durable};

/// The part of the struct before its views as it lies in memory, then those that are not empty.
template <class T, std::size_t N>
void put_struct(Writer& out, const T& value, std::size_t head,
                const std::array<busway_view T::*, N>& views) {
  static_assert(N <= 16);
  std::uint16_t there = 0;
  for (std::size_t i = 0; i < N; ++i) {
    if ((value.*views[i]).size != 0) there = static_cast<std::uint16_t>(there | 1U << i);
  }
  out.text({reinterpret_cast<const char*>(&value), head}).put(there);
  for (std::size_t i = 0; i < N; ++i) {
    if ((unsigned{there} >> i & 1U) != 0) out.view(value.*views[i]);
  }
}

template <class T, std::size_t N>
T get_struct(Reader& in, std::size_t head, const std::array<busway_view T::*, N>& views) {
  T value{};
  const std::string_view bytes = in.text();
  if (bytes.size() != head) throw WireError("a struct has another size than here");
  std::memcpy(&value, bytes.data(), head);
  const auto there = in.get<std::uint16_t>();
  for (std::size_t i = 0; i < N; ++i) {
    value.*views[i] = (unsigned{there} >> i & 1U) != 0 ? in.view() : busway_view{};
  }
  value.size = sizeof value;
  return value;
}

bool has(const busway_plugin_api& api, Call call) {
  switch (call) {
    case Call::setup: return BUSWAY_HAS(busway_plugin_api, &api, setup);
    case Call::start: return BUSWAY_HAS(busway_plugin_api, &api, start);
    case Call::stop: return BUSWAY_HAS(busway_plugin_api, &api, stop);
    case Call::teardown: return BUSWAY_HAS(busway_plugin_api, &api, teardown);
    case Call::health: return BUSWAY_HAS(busway_plugin_api, &api, health);
    case Call::on_timer: return BUSWAY_HAS(busway_plugin_api, &api, on_timer);
    case Call::save_state: return BUSWAY_HAS(busway_plugin_api, &api, save_state);
    case Call::restore_state: return BUSWAY_HAS(busway_plugin_api, &api, restore_state);
    case Call::begin_sources: return BUSWAY_HAS(busway_plugin_api, &api, begin_sources);
    case Call::end_sources: return BUSWAY_HAS(busway_plugin_api, &api, end_sources);
    default: return true;
  }
}

}  // namespace

Writer::Writer(std::string& out, Kind kind) : out_(out), begin_(out.size()) {
  put(std::uint32_t{0});
  put(kind);
}

Writer::~Writer() {
  const auto length = static_cast<std::uint32_t>(out_.size() - begin_ - sizeof(std::uint32_t));
  std::memcpy(out_.data() + begin_, &length, sizeof length);
}

Writer& Writer::text(std::string_view text) {
  put(static_cast<std::uint32_t>(text.size()));
  out_.append(text);
  return *this;
}

Reader::Reader(std::string_view frame) : rest_(frame), kind_(get<Kind>()) {}

const char* Reader::take(std::size_t size) {
  if (size > rest_.size()) throw WireError("a frame ends too soon");
  const char* const at = rest_.data();
  rest_.remove_prefix(size);
  return at;
}

std::string_view Reader::text() {
  const auto size = get<std::uint32_t>();
  return {take(size), size};
}

void put_event(Writer& out, const busway_event& event) {
  put_struct(out, event, offsetof(busway_event, topic), kEventViews);
}
busway_event get_event(Reader& in) {
  return get_struct(in, offsetof(busway_event, topic), kEventViews);
}

void put_message(Writer& out, const busway_message& message) {
  put_struct(out, message, offsetof(busway_message, topic), kMessageViews);
}
busway_message get_message(Reader& in) {
  return get_struct(in, offsetof(busway_message, topic), kMessageViews);
}

void put_options(Writer& out, const busway_subscribe_options& options) {
  // Views stand in the middle of it: of them the bytes must not tell where they point to, so that
  // the same options are the same bytes.
  busway_subscribe_options head = options;
  for (const auto view : kOptionViews) head.*view = {};
  out.text({reinterpret_cast<const char*>(&head), sizeof head});
  for (const auto view : kOptionViews) out.view(options.*view);
}
busway_subscribe_options get_options(Reader& in) {
  busway_subscribe_options options{};
  const std::string_view bytes = in.text();
  if (bytes.size() != sizeof options) throw WireError("a struct has another size than here");
  std::memcpy(&options, bytes.data(), sizeof options);
  for (const auto view : kOptionViews) options.*view = in.view();
  options.size = sizeof options;
  return options;
}

void put_opening(std::string& out, const Opening& opening) {
  Writer(out, Kind::open)
      .text(opening.path)
      .text(opening.library_path)
      .text(opening.image_name)
      .put(opening.memory_bytes_max)
      .put(opening.open_files_max)
      .put(opening.cpu_seconds_max)
      .put(opening.state_bytes_max);
}

Opening get_opening(Reader& in) {
  Opening opening;
  opening.path = in.text();
  opening.library_path = in.text();
  opening.image_name = in.text();
  opening.memory_bytes_max = in.get<std::uint64_t>();
  opening.open_files_max = in.get<std::uint64_t>();
  opening.cpu_seconds_max = in.get<std::uint64_t>();
  opening.state_bytes_max = in.get<std::uint64_t>();
  return opening;
}

void put_facts(std::string& out, const busway_plugin_api& api) {
  Writer frame(out, Kind::facts);
  frame.view(api.id).view(api.version).view(api.description);
  std::uint32_t functions = 0;
  for (std::size_t i = 0; i < kOptionalCalls.size(); ++i) {
    if (has(api, kOptionalCalls[i])) functions |= 1U << i;
  }
  frame.put(functions).put(static_cast<std::uint32_t>(api.requires_count));
  for (std::size_t i = 0; i < api.requires_count; ++i) frame.view(api.requires_ids[i]);
}

Facts get_facts(Reader& in) {
  Facts facts;
  facts.id = in.text();
  facts.version = in.text();
  facts.description = in.text();
  facts.functions = in.get<std::uint32_t>();
  const auto count = in.get<std::uint32_t>();
  if (count > kRequiresMax) throw WireError("it requires too many plugins");
  for (std::uint32_t i = 0; i < count; ++i) facts.required.emplace_back(in.text());
  return facts;
}

}  // namespace busway::plugin_host_detail::wire
