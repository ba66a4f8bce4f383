#include "followed_file.hpp"

#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

namespace tail {
namespace {

/// A check reads so much of one file; then the others have their turn.
constexpr std::size_t kBytesACheck = std::size_t{1} << 20U;

}  // namespace

FollowedFile::FollowedFile(Options options) : options_(std::move(options)) {}

void FollowedFile::look() {
  try {
    open_current();
  } catch (const std::exception&) {
    // The check will meet it again, and tell.
  }
}

FollowedFile::Checked FollowedFile::check(Time now) {
  try {
    // What was written before comes first.
    Checked checked = check_retired(now);
    if (checked == Checked::done) checked = check_current(now);
    if (checked != Checked::stopped) failure_.clear();
    return checked;
  } catch (const std::exception& error) {
    note_failure(error.what());
    return Checked::done;
  }
}

FollowedFile::Checked FollowedFile::check_retired(Time now) {
  while (!retired_.empty()) {
    Retired& oldest = retired_.front();
    const OpenFile::Read read = oldest.file.read(kBytesACheck, options_.on_line);
    if (read == OpenFile::Read::stopped) return Checked::stopped;
    if (read == OpenFile::Read::some) {
      oldest.silent_since = now;
      return Checked::more;
    }
    if (now - oldest.silent_since < options_.rotate_wait) break;
    close_retired();
  }
  return Checked::done;
}

FollowedFile::Checked FollowedFile::check_current(Time now) {
  if (!current_) {
    open_current();
    if (!current_) return Checked::done;
  }
  if (!std::exchange(is_told_, true)) {
    note("tail.opened", {{"offset", current_->line_begin()}});
  }
  if (current_->was_truncated()) {
    const std::int64_t read = current_->offset();
    current_->finish_line(options_.on_line);
    current_->rewind();
    note("tail.truncated", {{"read", read}});
  }
  switch (current_->read(kBytesACheck, options_.on_line)) {
    case OpenFile::Read::stopped: return Checked::stopped;
    case OpenFile::Read::some: return Checked::more;
    case OpenFile::Read::nothing: break;
  }
  const std::optional<FileIdentity> named = identity_of(options_.path);
  if (named && *named == current_->identity()) return Checked::done;
  // Renamed, and no new one made yet: until then it is read.
  if (!named && !current_->is_deleted()) return Checked::done;
  if (retired_.size() == kRetiredMax) close_retired();
  retired_.push_back({.file = std::move(*current_), .silent_since = now});
  current_.reset();
  note("tail.rotated", nlohmann::json::object());
  return Checked::more;
}

void FollowedFile::open_current() {
  current_ = OpenFile::open(options_.path, options_.line_bytes_max);
  const bool is_first_look = !std::exchange(was_looked_for_, true);
  if (!current_) return;
  const std::optional<Position> before = std::exchange(position_, std::nullopt);
  if (before) {
    // The same file goes on where it was left; another one has taken its place since.
    if (before->identity == current_->identity()) (void)current_->seek(before->offset);
  } else if (is_first_look && options_.start == Start::end) {
    current_->seek_end();
  }
  is_told_ = false;
}

void FollowedFile::close_retired() {
  retired_.front().file.finish_line(options_.on_line);
  retired_.pop_front();
}

void FollowedFile::finish() {
  while (!retired_.empty()) close_retired();
  if (current_) current_->finish_line(options_.on_line);
}

std::optional<FollowedFile::Time> FollowedFile::wait_until() const {
  if (retired_.empty()) return std::nullopt;
  return retired_.front().silent_since + options_.rotate_wait;
}

std::optional<Position> FollowedFile::position() const {
  // There was no file: one that is there at the next start is new, and read from its beginning.
  if (!current_) return was_looked_for_ && !position_ ? Position{} : position_;
  return Position{.identity = current_->identity(), .offset = current_->line_begin()};
}

void FollowedFile::note(std::string_view topic, nlohmann::json payload) {
  payload["path"] = options_.path;
  options_.on_note(topic, payload);
}

void FollowedFile::note_failure(const std::string& what) {
  if (std::exchange(failure_, what) == what) return;
  note("tail.failed", {{"error", what}});
}

}  // namespace tail
