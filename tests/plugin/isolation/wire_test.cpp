// Frames as bytes: each comes back as it was put, and none that is cut or damaged is read beyond
// its end.
#include "plugin/isolation/wire.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/abi_values.hpp"

namespace busway::plugin_host_detail::wire {
namespace {

/// A frame in memory of exactly its size, so that the address sanitizer sees each byte too many.
class Frame {
 public:
  explicit Frame(std::string_view bytes)
      : bytes_(std::make_unique<char[]>(bytes.size())), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), bytes_.get());
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

std::string_view without_length(std::string_view out) {
  std::uint32_t length = 0;
  EXPECT_GE(out.size(), sizeof length);
  std::memcpy(&length, out.data(), sizeof length);
  EXPECT_EQ(out.size(), sizeof length + length);
  return out.substr(sizeof length);
}

std::string_view text_of(const busway_view& view) {
  return view.data == nullptr ? std::string_view() : std::string_view(view.data, view.size);
}

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

/// Texts of different lengths, with a zero byte and bytes that are not UTF-8.
const std::array<std::string, 14> kTexts{"topic.of.it",
                                         "source",
                                         std::string("pay\0load\xff\xfe", 10),
                                         "application/octet-stream",
                                         "{\"a\":1}",
                                         "k",
                                         std::string(300, 'u'),
                                         "session",
                                         "instance",
                                         "schema",
                                         "entity",
                                         "operation",
                                         "correlation",
                                         "00-0-0-00"};

busway_event some_event() {
  busway_event event{};
  event.size = sizeof event;
  event.priority = BUSWAY_PRIORITY_HIGH;
  event.origin = BUSWAY_ORIGIN_DATABASE;
  event.schema_version = 7;
  event.hops = 3;
  event.payload_kind = BUSWAY_PAYLOAD_BYTES;
  for (std::uint8_t i = 0; i < 16; ++i) {
    event.id[i] = i;
    event.causation_id[i] = static_cast<std::uint8_t>(200 + i);
  }
  event.time_ns = -5;
  return event;
}

busway_message some_message() {
  busway_message message{};
  message.size = sizeof message;
  message.payload_kind = BUSWAY_PAYLOAD_JSON;
  message.priority = BUSWAY_PRIORITY_HIGH;
  message.schema_version = 9;
  return message;
}

busway_subscribe_options some_options() {
  busway_subscribe_options options{};
  options.size = sizeof options;
  options.mode = BUSWAY_MODE_SYNC;
  options.priority = -7;
  options.overflow = BUSWAY_OVERFLOW_BLOCK;
  options.queue_capacity = 17;
  options.block_timeout_ns = 1;
  options.timeout_ns = 2;
  options.dedupe_ns = 3;
  options.once = 1;
  options.replay = BUSWAY_REPLAY_SINCE;
  options.replay_count = 4;
  options.replay_time_ns = -6;
  options.replay_position = ~std::uint64_t{0};
  options.name = to_view(kTexts[1]);
  options.durable = to_view(kTexts[6]);
  options.retry_set = 1;
  options.retry_max = 5;
  options.retry_initial_delay_ns = 8;
  options.retry_max_delay_ns = 9;
  options.retry_backoff_factor = 2.5;
  options.retry_total_ns = 10;
  return options;
}

Opening some_opening() {
  return {.path = "/a/b c.so",
          .library_path = "$ORIGIN",
          .image_name = "busway-b-1.so",
          .memory_bytes_max = 1,
          .open_files_max = ~std::uint64_t{0},
          .cpu_seconds_max = 3};
}

template <class Put>
std::string framed(Kind kind, const Put& put) {
  std::string out;
  {
    Writer frame(out, kind);
    put(frame);
  }
  return out;
}

// -- As it was put --------------------------------------------------------------------------------

TEST(Wire, NumbersAndTextsComeBackInOrder) {
  const std::string out = framed(Kind::returned, [](Writer& frame) {
    frame.put(std::uint64_t{0x0102030405060708})
        .put(std::int32_t{-2})
        .text("some\0 words")
        .text("");
    frame.view({nullptr, 0}).view({nullptr, 7}).put(std::uint8_t{255});
  });
  const Frame frame(without_length(out));
  Reader in(frame.view());
  EXPECT_EQ(in.kind(), Kind::returned);
  EXPECT_EQ(in.get<std::uint64_t>(), 0x0102030405060708U);
  EXPECT_EQ(in.get<std::int32_t>(), -2);
  EXPECT_EQ(in.text(), "some");
  EXPECT_EQ(in.text(), "");
  EXPECT_EQ(in.view().size, 0U);
  EXPECT_EQ(in.view().size, 0U) << "a null pointer is an empty text, whatever its size says";
  EXPECT_TRUE(in.more());
  EXPECT_EQ(in.get<std::uint8_t>(), 255);
  EXPECT_FALSE(in.more());
  EXPECT_THROW((void)in.get<std::uint8_t>(), WireError);
  EXPECT_THROW((void)in.text(), WireError);
}

TEST(Wire, FramesAreAppendedEachWithItsLength) {
  std::string out = "before";
  { const Writer empty(out, Kind::facts); }
  { Writer(out, Kind::log).put(std::uint32_t{1}).text("x"); }
  std::uint32_t length = 0;
  std::memcpy(&length, out.data() + 6, sizeof length);
  EXPECT_EQ(length, 1U);
  std::memcpy(&length, out.data() + 6 + 5, sizeof length);
  EXPECT_EQ(length, 1U + 4 + 4 + 1);
  EXPECT_EQ(out.size(), 6U + 5 + 4 + length);
}

TEST(Wire, AnEventComesBackWithEachOfItsFieldsAloneWithAllAndWithNone) {
  constexpr std::size_t kAll = kEventViews.size();
  for (std::size_t which = 0; which <= kAll + 1; ++which) {
    busway_event event = some_event();
    for (std::size_t i = 0; i < kEventViews.size(); ++i) {
      if (which == i || which == kAll) event.*kEventViews[i] = to_view(kTexts[i]);
    }
    const std::string out = framed(Kind::events, [&](Writer& frame) {
      put_event(frame, event);
      frame.text("after");
    });
    const Frame frame(without_length(out));
    Reader in(frame.view());
    const busway_event read = get_event(in);
    EXPECT_EQ(in.text(), "after") << "it was read to its end and no further";
    EXPECT_EQ(read.size, sizeof read);
    EXPECT_EQ(read.priority, event.priority);
    EXPECT_EQ(read.origin, event.origin);
    EXPECT_EQ(read.schema_version, event.schema_version);
    EXPECT_EQ(read.hops, event.hops);
    EXPECT_EQ(read.payload_kind, event.payload_kind);
    EXPECT_TRUE(std::equal(std::begin(read.id), std::end(read.id), std::begin(event.id)));
    EXPECT_TRUE(std::equal(std::begin(read.causation_id), std::end(read.causation_id),
                           std::begin(event.causation_id)));
    EXPECT_EQ(read.time_ns, event.time_ns);
    for (std::size_t i = 0; i < kEventViews.size(); ++i)
      EXPECT_EQ(text_of(read.*kEventViews[i]), text_of(event.*kEventViews[i])) << which << ' ' << i;
  }
}

TEST(Wire, AMessageComesBackWithEachOfItsFieldsAloneWithAllAndWithNone) {
  constexpr std::size_t kAll = kMessageViews.size();
  for (std::size_t which = 0; which <= kAll + 1; ++which) {
    busway_message message = some_message();
    for (std::size_t i = 0; i < kMessageViews.size(); ++i) {
      if (which == i || which == kAll) message.*kMessageViews[i] = to_view(kTexts[i]);
    }
    const std::string out = framed(Kind::publish, [&](Writer& frame) {
      put_message(frame, message);
      frame.text("after");
    });
    const Frame frame(without_length(out));
    Reader in(frame.view());
    const busway_message read = get_message(in);
    EXPECT_EQ(in.text(), "after");
    EXPECT_EQ(read.size, sizeof read);
    EXPECT_EQ(read.payload_kind, message.payload_kind);
    EXPECT_EQ(read.priority, message.priority);
    EXPECT_EQ(read.schema_version, message.schema_version);
    for (std::size_t i = 0; i < kMessageViews.size(); ++i)
      EXPECT_EQ(text_of(read.*kMessageViews[i]), text_of(message.*kMessageViews[i])) << i;
  }
}

TEST(Wire, OptionsComeBackWithoutThePointersOfTheOtherProcess) {
  const busway_subscribe_options options = some_options();
  const std::string out = framed(Kind::subscribe, [&](Writer& frame) {
    put_options(frame, options);
    frame.text("after");
  });
  const Frame frame(without_length(out));
  Reader in(frame.view());
  const busway_subscribe_options read = get_options(in);
  EXPECT_EQ(in.text(), "after");
  EXPECT_EQ(text_of(read.name), text_of(options.name));
  EXPECT_EQ(text_of(read.durable), text_of(options.durable));
  for (const busway_view& view : {read.name, read.durable}) {
    EXPECT_GE(view.data, frame.view().data());
    EXPECT_LE(view.data + view.size, frame.view().data() + frame.view().size());
  }
  busway_subscribe_options same = read;
  same.name = options.name;
  same.durable = options.durable;
  EXPECT_EQ(std::memcmp(&same, &options, sizeof same), 0);

  busway_subscribe_options bare{};
  bare.size = sizeof bare;
  bare.name = {kTexts[0].data(), 0};
  const std::string none = framed(Kind::subscribe, [&](Writer& put) { put_options(put, bare); });
  Reader empty(without_length(none));
  EXPECT_EQ(get_options(empty).name.data, nullptr) << "an empty view refers to nothing";
}

TEST(Wire, AnOpeningComesBack) {
  std::string out;
  put_opening(out, some_opening());
  const Frame frame(without_length(out));
  Reader in(frame.view());
  EXPECT_EQ(in.kind(), Kind::open);
  const Opening read = get_opening(in);
  EXPECT_FALSE(in.more());
  EXPECT_EQ(read.path, some_opening().path);
  EXPECT_EQ(read.library_path, some_opening().library_path);
  EXPECT_EQ(read.image_name, some_opening().image_name);
  EXPECT_EQ(read.memory_bytes_max, some_opening().memory_bytes_max);
  EXPECT_EQ(read.open_files_max, some_opening().open_files_max);
  EXPECT_EQ(read.cpu_seconds_max, some_opening().cpu_seconds_max);
}

/// Null where the bit is not set.
template <class F>
F if_set(std::uint32_t bits, std::size_t bit, F function) {
  return (bits >> bit & 1U) != 0 ? function : nullptr;
}

busway_plugin_api table_with(std::uint32_t functions) {
  const auto plain = [](busway_plugin*) { return BUSWAY_OK + 0; };
  busway_plugin_api api{};
  api.size = sizeof api;
  api.abi = BUSWAY_ABI;
  api.id = to_view("some_id");
  api.version = to_view("1.2.3");
  api.description = to_view("does something");
  api.setup = if_set(
      functions, 0, +[](busway_plugin*, busway_view) { return BUSWAY_OK + 0; });
  api.start = if_set(functions, 1, +plain);
  api.stop = if_set(functions, 2, +plain);
  api.teardown = if_set(functions, 3, +plain);
  api.health = if_set(
      functions, 4, +[](busway_plugin*, std::uint32_t*) { return BUSWAY_OK + 0; });
  api.on_timer = if_set(
      functions, 5, +[](busway_plugin*, std::uint64_t) { return BUSWAY_OK + 0; });
  api.save_state = if_set(
      functions, 6, +[](busway_plugin*, std::uint32_t*) { return BUSWAY_OK + 0; });
  api.restore_state = if_set(
      functions, 7, +[](busway_plugin*, std::uint32_t, busway_view) { return BUSWAY_OK + 0; });
  api.begin_sources = if_set(functions, 8, +plain);
  api.end_sources = if_set(functions, 9, +plain);
  return api;
}

std::string facts_frame(const busway_plugin_api& api) {
  std::string out;
  put_facts(out, api);
  return out;
}

Facts facts_of(const busway_plugin_api& api) {
  const std::string out = facts_frame(api);
  const Frame frame(without_length(out));
  Reader in(frame.view());
  EXPECT_EQ(in.kind(), Kind::facts);
  Facts facts = get_facts(in);
  EXPECT_FALSE(in.more());
  return facts;
}

TEST(Wire, FactsTellOfEachFunctionWhetherItIsThere) {
  constexpr std::uint32_t kAll = (1U << kOptionalCalls.size()) - 1;
  std::vector<std::uint32_t> sets{0, kAll};
  for (std::size_t i = 0; i < kOptionalCalls.size(); ++i) sets.push_back(1U << i);
  for (const std::uint32_t functions : sets) {
    const Facts facts = facts_of(table_with(functions));
    EXPECT_EQ(facts.functions, functions);
    for (std::size_t i = 0; i < kOptionalCalls.size(); ++i)
      EXPECT_EQ(offers(facts.functions, kOptionalCalls[i]), (functions >> i & 1U) != 0) << i;
    for (const Call call : {Call::create, Call::destroy, Call::on_event})
      EXPECT_TRUE(offers(facts.functions, call)) << "those are always there";
  }
}

TEST(Wire, FactsOfAnOlderTableHaveNoFunctionsBeyondItsEnd) {
  busway_plugin_api api = table_with(~0U);
  api.size = offsetof(busway_plugin_api, stop);  // ends behind start
  EXPECT_EQ(facts_of(api).functions, 3U);
}

TEST(Wire, FactsHaveTextsAndWhatIsRequired) {
  busway_plugin_api api = table_with(0);
  std::vector<std::string> names;
  std::vector<busway_view> views;
  for (int i = 0; i < 256; ++i) names.push_back("needs_" + std::to_string(i));
  for (const std::string& name : names) views.push_back(to_view(name));
  api.requires_ids = views.data();
  api.requires_count = views.size();
  const Facts facts = facts_of(api);
  EXPECT_EQ(facts.id, "some_id");
  EXPECT_EQ(facts.version, "1.2.3");
  EXPECT_EQ(facts.description, "does something");
  EXPECT_EQ(facts.required, names);

  busway_plugin_api bare{};
  bare.size = sizeof bare;
  EXPECT_EQ(facts_of(bare).id, "") << "null texts are empty ones";
}

TEST(Wire, FactsThatRequireTooManyAreRefusedBeforeRoomIsMadeForThem) {
  for (const std::uint32_t count : {257U, 1'000'000U, ~0U}) {
    const std::string out = framed(Kind::facts, [&](Writer& frame) {
      frame.text("id").text("1").text("").put(std::uint32_t{0}).put(count);
    });
    Reader in(without_length(out));
    EXPECT_THROW((void)get_facts(in), WireError) << count;
  }
}

// -- Cut and damaged ------------------------------------------------------------------------------

/// Reads all that a frame of its kind has, each byte of each text; the sum, so that none is left
/// out by the compiler.
class Everything {
 public:
  explicit Everything(std::string_view frame) : in_(frame) { read(); }
  [[nodiscard]] std::size_t sum() const { return sum_; }

 private:
  void add(std::string_view text) {
    for (const char c : text) sum_ += static_cast<unsigned char>(c);
  }
  void add(const busway_view& view) { add(text_of(view)); }
  template <class T>
  void number() {
    const T value = in_.get<T>();
    add(std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
  }
  void event() {
    const busway_event event = get_event(in_);
    for (const auto view : kEventViews) add(event.*view);
  }
  void message() {
    const busway_message message = get_message(in_);
    for (const auto view : kMessageViews) add(message.*view);
  }

  void read() {
    switch (in_.kind()) {
      case Kind::open: {
        const Opening opening = get_opening(in_);
        add(opening.path);
        add(opening.library_path);
        return add(opening.image_name);
      }
      case Kind::call:
        number<Call>();
        number<std::uint64_t>();
        return add(in_.text());
      case Kind::events:
        while (in_.more()) {
          number<std::uint64_t>();
          number<std::uint64_t>();
          number<std::uint32_t>();
          number<std::uint32_t>();
          number<std::int64_t>();
          event();
        }
        return;
      case Kind::answer:
        number<busway_status>();
        add(in_.text());
        return add(in_.text());
      case Kind::facts: {
        const Facts facts = get_facts(in_);
        add(facts.id);
        add(facts.version);
        add(facts.description);
        for (const std::string& one : facts.required) add(one);
        return;
      }
      case Kind::failed:
        number<std::uint64_t>();
        number<busway_status>();
        add(in_.text());
        return number<std::int64_t>();
      case Kind::publish: number<std::uint8_t>(); return message();
      case Kind::subscribe: {
        number<std::uint64_t>();
        if (in_.get<std::uint8_t>() != 0) {
          const busway_subscribe_options options = get_options(in_);
          add(options.name);
          add(options.durable);
        }
        const auto count = in_.get<std::uint32_t>();
        for (std::uint32_t i = 0; i < count; ++i) add(in_.view());
        return;
      }
      default:
        while (in_.more()) number<std::uint8_t>();
    }
  }

  Reader in_;
  std::size_t sum_ = 0;
};

busway_event full_event() {
  busway_event event = some_event();
  for (std::size_t i = 0; i < kEventViews.size(); ++i) event.*kEventViews[i] = to_view(kTexts[i]);
  return event;
}

struct Sample {
  const char* name;
  std::string out;
  bool grows = false;  // a list that may end between two of its members
};

std::vector<Sample> samples() {
  std::vector<Sample> all;
  std::string opening;
  put_opening(opening, some_opening());
  all.push_back({"open", opening});
  all.push_back({"call", framed(Kind::call, [](Writer& frame) {
                   frame.put(Call::setup).put(std::uint64_t{1}).text("{\"some\":\"config\"}");
                 })});
  all.push_back({"events",
                 framed(Kind::events,
                        [](Writer& frame) {
                          for (std::uint64_t i = 1; i < 4; ++i) {
                            frame.put(i)
                                .put(std::uint64_t{9})
                                .put(std::uint32_t{1})
                                .put(std::uint32_t{0})
                                .put(std::int64_t{-1});
                            put_event(frame, full_event());
                          }
                        }),
                 true});
  all.push_back({"answer", framed(Kind::answer, [](Writer& frame) {
                   frame.put(busway_status{BUSWAY_FAILED}).text("why not").text("12345678");
                 })});
  busway_plugin_api api = table_with(~0U);
  static const std::array<busway_view, 3> required{to_view("a"), to_view("b"), to_view("see")};
  api.requires_ids = required.data();
  api.requires_count = required.size();
  all.push_back({"facts", facts_frame(api)});
  all.push_back({"failed", framed(Kind::failed, [](Writer& frame) {
                   frame.put(std::uint64_t{3})
                       .put(busway_status{BUSWAY_RETRY})
                       .text("later")
                       .put(std::int64_t{5});
                 })});
  all.push_back({"publish", framed(Kind::publish, [](Writer& frame) {
                   busway_message message = some_message();
                   for (std::size_t i = 0; i < kMessageViews.size(); ++i)
                     message.*kMessageViews[i] = to_view(kTexts[i]);
                   frame.put(std::uint8_t{1});
                   put_message(frame, message);
                 })});
  all.push_back({"subscribe", framed(Kind::subscribe, [](Writer& frame) {
                   frame.put(std::uint64_t{7}).put(std::uint8_t{1});
                   put_options(frame, some_options());
                   frame.put(std::uint32_t{3}).text("a.*").text("b").text(std::string(40, 'c'));
                 })});
  return all;
}

TEST(Wire, AFrameCutAnywhereIsSaidToEndTooSoon) {
  EXPECT_THROW((void)Reader(""), WireError);
  for (const Sample& sample : samples()) {
    const std::string_view whole = without_length(sample.out);
    EXPECT_NO_THROW((void)Everything(Frame(whole).view())) << sample.name;
    std::size_t good = 0;
    for (std::size_t size = 1; size < whole.size(); ++size) {
      const Frame cut(whole.substr(0, size));
      try {
        (void)Everything(cut.view());
        ++good;
      } catch (const WireError&) {
      }
    }
    // A list of three may end before each of them.
    EXPECT_EQ(good, sample.grows ? 3U : 0U) << sample.name;
  }
}

TEST(Wire, AFrameWithBytesTurnedGivesValuesOrThrowsAndIsNeverReadBeyondItsEnd) {
  std::mt19937_64 random(20'240'607);  // NOLINT: the same ones each time
  for (const Sample& sample : samples()) {
    const std::string_view whole = without_length(sample.out);
    std::size_t thrown = 0;
    std::size_t sum = 0;
    constexpr int kRounds = 2000;
    for (int round = 0; round < kRounds; ++round) {
      std::string bytes(whole);
      for (std::uint64_t flips = 1 + random() % 3; flips != 0; --flips)
        bytes[random() % bytes.size()] ^= static_cast<char>(1U << random() % 8);
      const Frame frame(bytes);
      try {
        sum += Everything(frame.view()).sum();
      } catch (const WireError&) {
        ++thrown;
      }
    }
    EXPECT_GT(thrown, 0U) << sample.name;
    EXPECT_GT(sum, 0U) << sample.name;
  }
}

TEST(Wire, ATextThatSaysItIsLongerThanAllThereIsThrows) {
  for (const std::uint32_t size : {4U, 100U, 0x7fff'ffffU, ~0U}) {
    const std::string out =
        framed(Kind::refused, [&](Writer& frame) { frame.put(size).put('a').put('b').put('c'); });
    const Frame frame(without_length(out));
    Reader in(frame.view());
    EXPECT_THROW((void)in.text(), WireError) << size;
  }
}

TEST(Wire, AStructOfAnotherSizeThrows) {
  for (const std::size_t size : {std::size_t{0}, offsetof(busway_event, topic) - 1,
                                 offsetof(busway_event, topic) + 1, std::size_t{4096}}) {
    const std::string out = framed(Kind::events, [&](Writer& frame) {
      frame.text(std::string(size, '\1')).put(std::uint16_t{0});
    });
    Reader in(without_length(out));
    EXPECT_THROW((void)get_event(in), WireError) << size;
  }
}

}  // namespace
}  // namespace busway::plugin_host_detail::wire
