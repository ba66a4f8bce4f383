#include "rows/rows.hpp"

namespace busway::bench {

Row compile_row(const Figures& compilations) {
  return {"compile time of a file with busway.hpp (without typed.hpp)",
          "at most 0.6x of boost/signals2.hpp; no Asio, no JSON bodies",
          {{"", compilations.get("busway/signals2"), "x of signals2.hpp", 0.6},
           {"", compilations.get("forbidden"), " headers of Asio or JSON bodies", 0},
           {"CPU seconds: busway.hpp", compilations.get("busway"), ""},
           {"signals2.hpp", compilations.get("signals2"), ""},
           {"json.hpp", compilations.get("json"), ""},
           {"std headers and json_fwd", compilations.get("std"), ""}}};
}

}  // namespace busway::bench
