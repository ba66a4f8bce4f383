#include "own_descriptor.hpp"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace busway::sqlite {

struct OwnDescriptor::All {
  std::mutex mutex;
  std::vector<OwnDescriptor*> list;  // guarded by mutex

  /// Never destroyed: a fork may come at any time.
  static All& one() {
    static All* const all = [] {
      auto* const made = new All;
      (void)pthread_atfork([] { one().mutex.lock(); }, [] { one().mutex.unlock(); },
                           [] {
                             for (OwnDescriptor* const each : one().list) {
                               const int descriptor = each->descriptor_.exchange(-1);
                               if (descriptor >= 0) close(descriptor);
                             }
                             one().mutex.unlock();
                           });
      return made;
    }();
    return *all;
  }
};

OwnDescriptor::OwnDescriptor(int descriptor) : descriptor_(descriptor) {
  if (descriptor < 0) return;
  All& all = All::one();
  const std::lock_guard lock(all.mutex);
  all.list.push_back(this);
}

OwnDescriptor::~OwnDescriptor() {
  All& all = All::one();
  const std::lock_guard lock(all.mutex);
  std::erase(all.list, this);
  if (const int descriptor = get(); descriptor >= 0) close(descriptor);
}

}  // namespace busway::sqlite
