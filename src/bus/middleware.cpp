#include "busway/middleware.hpp"

#include "busway/error.hpp"

namespace busway::detail {

void refuse_empty_middleware() {
  throw Error(ErrorCode::invalid_argument, "with, chain: a middleware holds nothing to call");
}

}  // namespace busway::detail
