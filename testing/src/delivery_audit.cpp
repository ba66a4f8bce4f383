#include "busway/testing/delivery_audit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace busway::testing {
namespace {

std::string line_of(const EventId& id, std::uint64_t content) {
  return to_string(id) + " with content " + std::to_string(content);
}

}  // namespace

NoteFile::NoteFile(const std::string& path)
    : file_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
  if (file_ < 0) throw std::system_error(errno, std::generic_category(), path);
}

NoteFile::~NoteFile() { close(file_); }

void NoteFile::add(const DeliveryNote& note) const {
  // In one call: who is killed leaves whole notes, and those of several do not mix.
  const std::uint64_t words[] = {note.content, note.id.high, note.id.low};
  if (write(file_, words, sizeof words) != sizeof words) {
    throw std::system_error(errno, std::generic_category(), "a note");
  }
}

std::vector<DeliveryNote> NoteFile::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<DeliveryNote> out;
  std::uint64_t words[3];
  while (file.read(reinterpret_cast<char*>(words), sizeof words)) {
    out.push_back({.id = EventId{words[1], words[2]}, .content = words[0]});
  }
  return out;
}

void DeliveryAudit::note_in(SeenEvents& events, const DeliveryNote& note) {
  Seen& seen = events.try_emplace(note.id, Seen{.content = note.content}).first->second;
  ++seen.times;
  seen.changed = seen.changed || seen.content != note.content;
}

void DeliveryAudit::acknowledged(const DeliveryNote& note) { note_in(acknowledged_, note); }

void DeliveryAudit::delivered(std::string_view consumer, const DeliveryNote& note) {
  const auto found = delivered_.find(consumer);
  note_in(found != delivered_.end() ? found->second : delivered_[std::string(consumer)], note);
}

DeliveryAudit::Findings DeliveryAudit::findings(std::string_view consumer) const {
  static const SeenEvents kNone;
  const auto found = delivered_.find(consumer);
  const SeenEvents& came = found != delivered_.end() ? found->second : kNone;
  Findings out;
  for (const auto& [id, owed] : acknowledged_) {
    if (!came.contains(id)) out.lost.push_back(line_of(id, owed.content));
    if (owed.changed)
      out.changed.push_back(line_of(id, owed.content) + ", acknowledged with others");
  }
  for (const auto& [id, seen] : came) {
    const std::string line = line_of(id, seen.content);
    if (seen.times > 1) out.doubled.push_back(line + ", " + std::to_string(seen.times) + " times");
    const auto owed = acknowledged_.find(id);
    if (owed == acknowledged_.end()) out.unknown.push_back(line);
    if (seen.changed) {
      out.changed.push_back(line + ", and with others");
    } else if (owed != acknowledged_.end() && owed->second.content != seen.content) {
      out.changed.push_back(line + ", acknowledged with " + std::to_string(owed->second.content));
    }
  }
  return out;
}

}  // namespace busway::testing
