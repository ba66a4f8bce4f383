#include "busway/testing/delivery_audit.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <temporary_folder.hpp>
#include <vector>

namespace busway::testing {
namespace {

using Lines = std::vector<std::string>;

DeliveryNote note(std::uint64_t number) { return {.id = EventId{1, number}, .content = number}; }

std::string id_of(std::uint64_t number) { return to_string(EventId{1, number}); }

TEST(DeliveryAudit, FindsNothingWhereEachEventCameOnceAsItWas) {
  DeliveryAudit audit;
  for (std::uint64_t n = 1; n <= 3; ++n) audit.acknowledged(note(n));
  audit.acknowledged(note(3));  // a repeat that was answered as well
  for (std::uint64_t n = 3; n >= 1; --n) audit.delivered("a", note(n));
  EXPECT_EQ(audit.acknowledged_count(), 3U);
  const DeliveryAudit::Findings found = audit.findings("a");
  EXPECT_EQ(found.lost, Lines{});
  EXPECT_EQ(found.doubled, Lines{});
  EXPECT_EQ(found.changed, Lines{});
  EXPECT_EQ(found.unknown, Lines{});
}

TEST(DeliveryAudit, SaysForEachConsumerWhatIsLostDoubledAndUnknown) {
  DeliveryAudit audit;
  audit.acknowledged(note(1));
  audit.acknowledged(note(2));
  for (const std::uint64_t n : {1U, 9U, 1U, 1U}) audit.delivered("a", note(n));
  audit.delivered("b", note(1));
  audit.delivered("b", note(2));
  const DeliveryAudit::Findings of_a = audit.findings("a");
  EXPECT_EQ(of_a.lost, Lines{id_of(2) + " with content 2"});
  EXPECT_EQ(of_a.doubled, Lines{id_of(1) + " with content 1, 3 times"});
  EXPECT_EQ(of_a.unknown, Lines{id_of(9) + " with content 9"});
  EXPECT_EQ(of_a.changed, Lines{});
  EXPECT_EQ(audit.findings("b").lost, Lines{});
  EXPECT_EQ(audit.findings("nobody").lost.size(), 2U);
}

TEST(DeliveryAudit, SaysWhatIsNotAsItWas) {
  DeliveryAudit audit;
  audit.acknowledged(note(1));
  audit.acknowledged(note(2));
  audit.acknowledged(note(3));
  audit.acknowledged({.id = EventId{1, 3}, .content = 33});
  audit.delivered("a", {.id = EventId{1, 1}, .content = 11});
  audit.delivered("a", note(2));
  audit.delivered("a", {.id = EventId{1, 2}, .content = 22});
  audit.delivered("a", note(3));
  EXPECT_EQ(audit.findings("a").changed,
            (Lines{id_of(3) + " with content 3, acknowledged with others",
                   id_of(1) + " with content 11, acknowledged with 1",
                   id_of(2) + " with content 2, and with others"}));
}

TEST(NoteFile, KeepsTheNotesOfAllWhoWriteIt) {
  const TemporaryFolder folder;
  const std::string path = folder.file("notes");
  EXPECT_TRUE(NoteFile::read(path).empty()) << "there is none";
  {
    const NoteFile one(path);
    const NoteFile other(path);
    one.add(note(1));
    other.add(note(2));
    one.add({.id = EventId{5, 6}, .content = 7});
  }
  NoteFile(path).add(note(4));
  const std::vector<DeliveryNote> read = NoteFile::read(path);
  ASSERT_EQ(read.size(), 4U);
  EXPECT_EQ(read[1].content, 2U);
  EXPECT_EQ(read[2].id, (EventId{5, 6}));
  EXPECT_EQ(read[2].content, 7U);
  EXPECT_EQ(read[3].id, (EventId{1, 4}));
}

TEST(NoteFile, ThatCannotBeOpenedIsAnError) {
  const TemporaryFolder folder;
  EXPECT_THROW(NoteFile(folder.file("no/such/folder")), std::system_error);
}

}  // namespace
}  // namespace busway::testing
