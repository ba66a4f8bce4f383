#include "positions.hpp"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>

namespace tail {

nlohmann::json write_positions(const Positions& positions) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [path, one] : positions) {
    out[path] = {
        {"device", one.identity.device}, {"inode", one.identity.inode}, {"offset", one.offset}};
  }
  return out;
}

Positions read_positions(const nlohmann::json& json) {
  Positions out;
  for (const auto& [path, one] : json.items()) {
    out[path] = {.identity = {.device = one.at("device").get<std::uint64_t>(),
                              .inode = one.at("inode").get<std::uint64_t>()},
                 .offset = one.at("offset").get<std::int64_t>()};
  }
  return out;
}

Positions load_positions(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    if (errno == ENOENT) return {};
    throw std::system_error(errno, std::generic_category(), "cannot read \"" + file + "\"");
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  try {
    return read_positions(nlohmann::json::parse(text));
  } catch (const nlohmann::json::exception&) {
    throw std::runtime_error("\"" + file + "\" holds no positions of files that were followed; " +
                             "remove it, then they are read as `start` says");
  }
}

void store_positions(const std::string& file, const Positions& positions) {
  const std::string draft = file + ".new";
  std::ofstream out(draft, std::ios::binary | std::ios::trunc);
  out << write_positions(positions).dump() << '\n';
  out.close();
  if (!out || std::rename(draft.c_str(), file.c_str()) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot write \"" + file + "\"");
  }
}

}  // namespace tail
