// Makes sqlite: known to open_store(). The symbol below is asked for by the linker's options of
// this component, so that a static library does not leave this file out.
#include <string>

#include "busway/sqlite.hpp"

namespace busway {
namespace {

std::shared_ptr<Store> open_by_address(std::string_view address, const StoreOptions& options) {
  return open_sqlite_store(std::string(address.substr(address.find(':') + 1)), options);
}

const bool kRegistered = [] {
  register_store("sqlite", &open_by_address);
  return true;
}();

}  // namespace
}  // namespace busway

extern "C" bool busway_sqlite_provider();
extern "C" bool busway_sqlite_provider() { return busway::kRegistered; }
