// The blocking forms of append: one request, and a wait for its answers.
#include <semaphore>

#include "busway/store.hpp"

namespace busway {
namespace {

class WaitedFor final : public AppendRequest {
 public:
  using AppendRequest::AppendRequest;
  void done() noexcept override { answered_.release(); }
  void wait() { answered_.acquire(); }

 private:
  std::binary_semaphore answered_{0};
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
