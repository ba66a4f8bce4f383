// The blocking forms of append: one request, and a wait for its answers.
#include "base/one_shot.hpp"
#include "busway/store.hpp"

namespace busway {
namespace {

class WaitedFor final : public AppendRequest {
 public:
  using AppendRequest::AppendRequest;
  void done() noexcept override { answered_.set(); }
  void wait() { answered_.wait(); }

 private:
  detail::OneShot answered_;
};

}  // namespace

void Store::append(std::span<const Event> events, std::span<AppendResult> results) noexcept {
  if (events.empty()) return;
  WaitedFor request(events, results);
  append(request);
  request.wait();
}

AppendResult Store::append(const Event& event) noexcept {
  AppendResult result;
  append(std::span(&event, 1), std::span(&result, 1));
  return result;
}

}  // namespace busway
