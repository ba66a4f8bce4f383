#include "busway/memory_store.hpp"

#include "busway/error.hpp"

namespace busway {

std::shared_ptr<Store> make_memory_store(const StoreOptions& /*options*/) {
  throw Error(ErrorCode::not_yet, "memory store");
}

}  // namespace busway
