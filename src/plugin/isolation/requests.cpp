#include "plugin/isolation/requests.hpp"

#include <algorithm>
#include <iterator>

#include "plugin/abi_values.hpp"

namespace busway::plugin_host_detail {

using wire::Kind;
using wire::Reader;
using wire::WireError;
using wire::Writer;

namespace {

constexpr std::uint32_t kPatternsMax = 65'536;

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace

void HostRequests::answer(std::string& out, busway_status status, std::string_view value) {
  const busway_view words = status == BUSWAY_OK ? busway_view{} : api_.last_message(host_);
  Writer(out, Kind::answer).put(status).view(words).text(value);
}

std::uint64_t HostRequests::epoch() const {
  const std::lock_guard lock(mutex_);
  return epoch_;
}

void HostRequests::serve(std::string_view frame, std::uint64_t epoch, const Deliveries& deliveries,
                         std::string& out) {
  if (epoch != this->epoch()) throw WireError("a request of a process that has ended");
  Reader in(frame);
  switch (in.kind()) {
    case Kind::subscribe: return subscribe(in, epoch, out);
    case Kind::unsubscribe: return unsubscribe(in, out);
    case Kind::publish: return publish(in, out);
    case Kind::request: return request(in, out);
    case Kind::reply: return reply(in, deliveries, out);
    case Kind::schedule: return schedule(in, epoch, out);
    case Kind::cancel_timer: return cancel_timer(in, out);
    case Kind::stop_requested: {
      const auto number = in.get<std::uint64_t>();
      const auto one = std::find_if(deliveries.begin(), deliveries.end(),
                                    [&](const auto& delivery) { return delivery.first == number; });
      const std::uint32_t asked =
          // To what is over, or not this thread's, the host has its own answer.
          api_.stop_requested(host_, one == deliveries.end() ? 0 : one->second);
      return answer(out, BUSWAY_OK, bytes_of(asked));
    }
    case Kind::log: {
      const auto level = in.get<std::uint32_t>();
      return api_.log(host_, level, in.view());
    }
    case Kind::report_error: return api_.report_error(host_, in.view());
    case Kind::set_source_state: {
      return answer(out, api_.set_source_state(host_, in.get<std::uint32_t>()));
    }
    default: throw WireError("a frame of an unknown kind");
  }
}

// -- Subscriptions --------------------------------------------------------------------------------

std::optional<std::uint64_t> HostRequests::claim(std::string_view words, std::uint64_t tag) {
  const std::lock_guard lock(mutex_);
  for (auto& [ours, one] : listenings_) {
    if (one.claimed || one.words != words) continue;
    one.claimed = true;
    one.tag = tag;
    return one.id;
  }
  return std::nullopt;
}

void HostRequests::subscribe(Reader& in, std::uint64_t epoch, std::string& out) {
  const auto tag = in.get<std::uint64_t>();
  const bool has_options = in.get<std::uint8_t>() != 0;
  const busway_subscribe_options options =
      has_options ? wire::get_options(in) : busway_subscribe_options{};
  const auto count = in.get<std::uint32_t>();
  if (count > kPatternsMax) throw WireError("a subscription of too many patterns");
  std::vector<busway_view> patterns;
  std::vector<std::string> texts;
  for (std::uint32_t i = 0; i < count; ++i) {
    patterns.push_back(in.view());
    texts.emplace_back(patterns.back().data, patterns.back().size);
  }
  std::string words = signature_of(texts, options);

  // One that was for a single event may have had it.
  if (options.once == 0) {
    if (const auto id = claim(words, tag)) return answer(out, BUSWAY_OK, bytes_of(*id));
  }
  std::uint64_t ours = 0;
  {
    const std::lock_guard lock(mutex_);
    ours = next_tag_++;
    listenings_.emplace(ours, Listening{std::move(words), tag});  // before its first event comes
  }
  std::uint64_t id = 0;
  const busway_status status = api_.subscribe(host_, patterns.data(), patterns.size(),
                                              has_options ? &options : nullptr, ours, &id);
  bool too_late = false;
  {
    const std::lock_guard lock(mutex_);
    too_late = epoch != epoch_;
    if (status == BUSWAY_OK && !too_late) {
      listenings_[ours].id = id;
    } else {
      listenings_.erase(ours);
    }
  }
  if (too_late && status == BUSWAY_OK) (void)api_.unsubscribe(host_, id);
  answer(out, status, bytes_of(id));
}

void HostRequests::unsubscribe(Reader& in, std::string& out) {
  const auto id = in.get<std::uint64_t>();
  const busway_status status = api_.unsubscribe(host_, id);
  if (status == BUSWAY_OK) {
    on_unsubscribed_();
    const std::lock_guard lock(mutex_);
    std::erase_if(listenings_, [&](const auto& one) { return one.second.id == id; });
  }
  answer(out, status);
}

std::optional<std::uint64_t> HostRequests::tag_of_subscription(std::uint64_t tag) const {
  const std::lock_guard lock(mutex_);
  const auto found = listenings_.find(tag);
  if (found == listenings_.end() || !found->second.claimed) return std::nullopt;
  return found->second.tag;
}

void HostRequests::forget_subscriptions() {
  const std::lock_guard lock(mutex_);
  listenings_.clear();
}

void HostRequests::begin_epoch() {
  std::map<std::uint64_t, Timer> gone;
  {
    const std::lock_guard lock(mutex_);
    ++epoch_;
    gone.swap(timers_);
    for (auto& [tag, one] : listenings_) one.claimed = false;
  }
  for (const auto& [tag, timer] : gone) (void)api_.cancel_timer(host_, timer.id);
}

// -- Events ---------------------------------------------------------------------------------------

void HostRequests::publish(Reader& in, std::string& out) {
  const bool wants_result = in.get<std::uint8_t>() != 0;
  const busway_message message = wire::get_message(in);
  busway_publish_result result{};
  result.size = sizeof result;
  const busway_status status = api_.publish(host_, &message, wants_result ? &result : nullptr);
  answer(out, status, wants_result ? bytes_of(result) : std::string_view());
}

void HostRequests::request(Reader& in, std::string& out) {
  const auto timeout_ns = in.get<std::int64_t>();
  const busway_message message = wire::get_message(in);
  std::string reply;
  const auto keep = [](void* into, const busway_event* event) {
    Writer frame(*static_cast<std::string*>(into), Kind::events);
    wire::put_event(frame, *event);
  };
  const busway_status status = api_.request(host_, &message, timeout_ns, keep, &reply);
  answer(out, status, reply);
}

void HostRequests::reply(Reader& in, const Deliveries& deliveries, std::string& out) {
  const auto number = in.get<std::uint64_t>();
  const auto kind = in.get<std::uint32_t>();
  const busway_view payload = in.view();
  const busway_view content_type = in.view();
  const auto one = std::find_if(deliveries.begin(), deliveries.end(),
                                [&](const auto& delivery) { return delivery.first == number; });
  // To one that is over the host says so itself.
  const std::uint64_t id = one == deliveries.end() ? 0 : one->second;
  answer(out, api_.reply(host_, id, kind, payload, content_type));
}

// -- Timers ---------------------------------------------------------------------------------------

void HostRequests::schedule(Reader& in, std::uint64_t epoch, std::string& out) {
  const auto delay_ns = in.get<std::int64_t>();
  const auto tag = in.get<std::uint64_t>();
  std::uint64_t ours = 0;
  {
    const std::lock_guard lock(mutex_);
    ours = next_tag_++;
    timers_.emplace(ours, Timer{tag});
  }
  std::uint64_t id = 0;
  const busway_status status = api_.schedule(host_, delay_ns, ours, &id);
  {
    const std::lock_guard lock(mutex_);
    if (epoch != epoch_) timers_.erase(ours);  // when it is due nobody knows it
    if (status != BUSWAY_OK) {
      timers_.erase(ours);
    } else if (const auto one = timers_.find(ours); one != timers_.end()) {
      one->second.id = id;
    }
  }
  answer(out, status, bytes_of(id));
}

void HostRequests::cancel_timer(Reader& in, std::string& out) {
  const auto id = in.get<std::uint64_t>();
  const busway_status status = api_.cancel_timer(host_, id);
  if (status == BUSWAY_OK) {
    const std::lock_guard lock(mutex_);
    std::erase_if(timers_, [&](const auto& one) { return one.second.id == id; });
  }
  answer(out, status);
}

std::optional<std::uint64_t> HostRequests::take_timer(std::uint64_t tag) {
  const std::lock_guard lock(mutex_);
  const auto found = timers_.find(tag);
  if (found == timers_.end()) return std::nullopt;
  const std::uint64_t theirs = found->second.tag;
  timers_.erase(found);
  return theirs;
}

}  // namespace busway::plugin_host_detail
