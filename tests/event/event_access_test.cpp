#include "event/event_access.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include <allocation_count.hpp>
#include <expect_error.hpp>
#include "busway/typed_event.hpp"

namespace busway {
namespace {

using detail::EventAccess;

template <std::size_t N>
struct Blob {
  static constexpr std::string_view type_name = "blob";
  static constexpr bool in_process = true;
  std::array<unsigned char, N> bytes{};
};

struct Named {
  static constexpr std::string_view type_name = "named";
  std::string name;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Named, name)

struct Unique {
  static constexpr std::string_view type_name = "unique";
  static constexpr bool in_process = true;
  std::unique_ptr<int> value;
};

struct alignas(16) Aligned {
  static constexpr std::string_view type_name = "aligned";
  static constexpr bool in_process = true;
  double value = 0;
};

const EventId kId{0x0190'0000'0000'7000ULL, 0x8000'0000'0000'0001ULL};

class EventAccessTest : public ::testing::Test {
 protected:
  template <class T>
  void borrow(Event& event, const T& payload) {
    EventAccess::begin(event, kId, 17, topic_.rep(), source_.rep());
    EventAccess::borrow_typed(event, &detail::payload_type_of<T>(), &payload);
  }

  detail::Text topic_{"borrowed.topic"};
  detail::Text source_{"test"};
};

TEST_F(EventAccessTest, ABorrowedEventRefersToThePublishersPayload) {
  const Named named{"x"};
  Event event;
  borrow(event, named);
  EXPECT_TRUE(EventAccess::is_borrowed(event));
  EXPECT_EQ(&event.as<Named>(), &named);
  EXPECT_EQ(event.id(), kId);
  EXPECT_EQ(event.time().time_since_epoch().count(), 17);
  EXPECT_EQ(to_string(event), "Event(borrowed.topic from test)");
}

TEST_F(EventAccessTest, BuildingAndDestroyingABorrowedEventAllocatesNothing) {
  const Named named{"x"};
  const std::size_t before = allocation_count();
  {
    Event event;
    borrow(event, named);
    EventAccess::set_cause(event, EventId{5, 6}, 3);
    EventAccess::set_priority(event, Priority::high);
    EventAccess::set_origin(event, Origin::plugin);
  }
  EXPECT_EQ(allocation_count(), before);
}

TEST_F(EventAccessTest, ACopyOfABorrowedEventWithASmallPayloadAllocatesNothing) {
  const Blob<24> blob{{1, 2, 3}};
  const std::size_t before = allocation_count();
  Event event;
  borrow(event, blob);
  const Event copy = event;
  const Event copy_of_copy = copy;
  Event assigned;
  EventAccess::assign(assigned, event);
  EXPECT_EQ(allocation_count(), before);
  EXPECT_NE(&copy.as<Blob<24>>(), &blob);
  EXPECT_EQ(copy_of_copy.as<Blob<24>>().bytes, blob.bytes);
  EXPECT_EQ(assigned.as<Blob<24>>().bytes, blob.bytes);
}

template <std::size_t N>
void expect_copied_whole(const detail::Text& topic) {
  Blob<N> blob;
  for (std::size_t i = 0; i < N; ++i) blob.bytes[i] = static_cast<unsigned char>(i + 1);
  Event copy;
  {
    Event event;
    EventAccess::begin(event, kId, 1, topic.rep(), nullptr);
    EventAccess::borrow_typed(event, &detail::payload_type_of<Blob<N>>(), &blob);
    copy = event;
    blob.bytes.fill(0);
  }
  const Event moved = std::move(copy);
  for (std::size_t i = 0; i < N; ++i) {
    EXPECT_EQ(moved.as<Blob<N>>().bytes[i], i + 1) << "byte " << i << " of " << N;
  }
}

TEST_F(EventAccessTest, PayloadsOfEverySizeAreCopiedWhole) {
  [this]<std::size_t... I>(std::index_sequence<I...>) { (expect_copied_whole<I + 1>(topic_), ...); }
  (std::make_index_sequence<30>());
}

TEST_F(EventAccessTest, ACopyOfALargePayloadIsMadeOnceAndShared) {
  const Named named{"larger than the small string of any library there is"};
  Event event;
  borrow(event, named);
  EventAccess::own(event);
  EXPECT_FALSE(EventAccess::is_borrowed(event));
  EXPECT_NE(&event.as<Named>(), &named);
  const std::size_t before = allocation_count();
  const Event copy = event;
  EXPECT_EQ(allocation_count(), before);
  EXPECT_EQ(&copy.as<Named>(), &event.as<Named>());
}

TEST_F(EventAccessTest, AnOverAlignedPayloadIsNotStoredInline) {
  const Aligned aligned{2.5};
  Event event;
  borrow(event, aligned);
  const Event copy = event;
  EXPECT_NE(EventAccess::block(copy), nullptr);
  EXPECT_EQ(copy.as<Aligned>().value, 2.5);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&copy.as<Aligned>()) % alignof(Aligned), 0U);
}

TEST_F(EventAccessTest, APayloadThatCannotBeCopiedStaysWithItsPublisher) {
  const Unique unique{std::make_unique<int>(3)};
  Event event;
  borrow(event, unique);
  EXPECT_EQ(*event.as<Unique>().value, 3);
  EXPECT_TRUE(
      mentions(error_of(ErrorCode::payload_type, [&] { const Event copy = event; }), "\"unique\""));
  (void)error_of(ErrorCode::payload_type, [&] { EventAccess::own(event); });
  EXPECT_TRUE(EventAccess::is_borrowed(event));
  EXPECT_EQ(&event.as<Unique>(), &unique);
}

TEST_F(EventAccessTest, AMovedPayloadNeedsNoCopy) {
  const Event event("a", typed_payload(Unique{std::make_unique<int>(4)}));
  const Event copy = event;
  EXPECT_EQ(*copy.as<Unique>().value, 4);
}

TEST_F(EventAccessTest, AViewShowsAnotherEventWithoutOwning) {
  const Event event("seen", Payload::json({1}), {.source = "s", .key = "k"});
  Event copy;
  {
    Event view;
    EventAccess::view(view, event);
    EventAccess::set_id(view, kId);
    EXPECT_EQ(view.key(), "k");
    EXPECT_EQ(&view.json(), &event.json());
    copy = view;
  }
  EXPECT_EQ(copy.id(), kId);
  EXPECT_EQ(copy.key(), "k");
  EXPECT_EQ(&copy.json(), &event.json());
}

TEST_F(EventAccessTest, AViewOfAnInlinePayloadCopiesIt) {
  Event copy;
  {
    Event original;
    const Blob<8> blob{{9}};
    borrow(original, blob);
    const Event owner = original;
    Event view;
    EventAccess::view(view, owner);
    copy = view;
  }
  EXPECT_EQ(copy.as<Blob<8>>().bytes[0], 9);
}

TEST_F(EventAccessTest, BorrowedRareFieldsAreSharedByCopies) {
  const detail::RareHandle rare(detail::RareFields::make(EventOptions{.key = "k"}));
  Event copy;
  {
    Event event;
    EventAccess::begin(event, kId, 1, topic_.rep(), nullptr);
    EventAccess::borrow_rare(event, rare.get());
    copy = event;
    EXPECT_EQ(rare->references, 2U);
  }
  EXPECT_EQ(rare->references, 2U);
  EXPECT_EQ(copy.key(), "k");
}

TEST_F(EventAccessTest, AssigningOverAnEventReleasesWhatItHeld) {
  const detail::RareHandle rare(detail::RareFields::make(EventOptions{.key = "k"}));
  Event ring("slot", Payload::json({1}));
  Event event;
  EventAccess::begin(event, kId, 1, topic_.rep(), nullptr);
  EventAccess::borrow_rare(event, rare.get());
  EventAccess::assign(ring, event);
  EXPECT_EQ(rare->references, 2U);
  EXPECT_FALSE(ring.has_payload());

  Event plain;
  EventAccess::begin(plain, EventId{2, 2}, 2, topic_.rep(), nullptr);
  EventAccess::assign(ring, plain);
  EXPECT_EQ(rare->references, 1U);
  EXPECT_EQ(ring.id(), (EventId{2, 2}));
  EXPECT_EQ(ring.key(), "");
}

TEST_F(EventAccessTest, AssigningCopiesCountedTexts) {
  const detail::Text counted(std::string(300, 'c'));
  Event slot;
  {
    Event event;
    EventAccess::begin(event, kId, 1, topic_.rep(), counted.rep());
    EventAccess::assign(slot, event);
  }
  EXPECT_EQ(counted.rep()->references, 2U);
  Event plain;
  EventAccess::begin(plain, kId, 1, topic_.rep(), nullptr);
  EventAccess::assign(slot, plain);
  EXPECT_EQ(counted.rep()->references, 1U);
}

TEST_F(EventAccessTest, AssigningAnEventToItselfChangesNothing) {
  Event event;
  const Blob<20> blob{{4}};
  borrow(event, blob);
  Event slot = event;
  EventAccess::assign(slot, slot);
  EXPECT_EQ(slot.as<Blob<20>>().bytes[0], 4);
}

TEST_F(EventAccessTest, GivesThePayloadAsAHandle) {
  const Named named{"x"};
  Event event;
  borrow(event, named);
  const Event other("other", EventAccess::payload(event));
  EXPECT_EQ(other.as<Named>().name, "x");
  const Event shared("shared", EventAccess::payload(other));
  EXPECT_EQ(&shared.as<Named>(), &other.as<Named>());
  EXPECT_TRUE(EventAccess::payload(Event("none")).empty());
}

TEST_F(EventAccessTest, BorrowedJsonAndBytesAreCopiedToo) {
  const Event source("a", bytes("raw", "text/plain"));
  const Json json{{"n", 1}};
  Event json_copy;
  Event bytes_copy;
  {
    Event event;
    EventAccess::begin(event, kId, 1, topic_.rep(), nullptr);
    EventAccess::borrow(event, &detail::kJsonType, &json);
    EXPECT_EQ(&event.json(), &json);
    json_copy = event;
    EventAccess::borrow(event, &detail::kBytesType, EventAccess::object(source));
    bytes_copy = event;
  }
  EXPECT_NE(&json_copy.json(), &json);
  EXPECT_EQ(json_copy.json(), json);
  EXPECT_EQ(bytes_copy.content_type(), "text/plain");
  EXPECT_EQ(bytes_copy.bytes().size(), 3U);
}

TEST_F(EventAccessTest, AnEventIs120Bytes) { EXPECT_LE(sizeof(Event), 120U); }

}  // namespace
}  // namespace busway
