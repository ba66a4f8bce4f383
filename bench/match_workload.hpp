// match_workload.hpp -- subscriptions and topics as a large system has them.
//
// Names have three words, "svc17.ent1234.act5". The universe has as many names as there are
// subscriptions; the k-th is drawn with a weight of 1/k (zipf), so the first name has some ten
// thousand subscriptions out of a million. Subscriptions: 80 % exact names, 15 % segments patterns
// in six shapes and 5 % regular expressions in five forms, each made from a drawn name. A route
// miss is the first event of a topic: the topics are drawn by the same weights, each once.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include "busway/pattern.hpp"

namespace busway::bench {

class MatchWorkload {
 public:
  explicit MatchWorkload(std::size_t subscriptions, std::uint64_t seed = 1)
      : engine_(seed), names_(std::max<std::size_t>(subscriptions, 16)) {
    cumulative_.reserve(names_);
    double sum = 0;
    for (std::size_t k = 0; k < names_; ++k)
      cumulative_.push_back(sum += 1.0 / static_cast<double>(k + 1));
  }

  [[nodiscard]] std::string exact_text() { return join(draw()); }

  [[nodiscard]] std::string segments_text() {
    const Name n = draw();
    switch (engine_() % 6) {
      case 0: return n.service + ".*." + n.action;
      case 1: return n.service + "." + n.entity + ".*";
      case 2: return "*." + n.entity + "." + n.action;
      case 3: return n.service + ".**";
      case 4: return "*." + n.entity + ".*";
      default: return "*.*." + n.action;
    }
  }

  [[nodiscard]] std::string regex_text() {
    const Name n = draw();
    switch (engine_() % 5) {
      case 0: return "^" + n.service + "\\." + n.entity + "\\.(" + n.action + "|failed)$";
      case 1: return "^" + n.service + "\\.[^.]+\\." + n.action + "$";
      case 2: return "\\." + n.entity + "\\." + n.action + "$";
      case 3: return "^" + n.service + "\\.ent[0-9]+\\." + n.action;
      default: return "^" + n.service + "\\..*" + n.entity;
    }
  }

  [[nodiscard]] Pattern pattern() {
    const std::size_t percent = engine_() % 100;
    if (percent < 80) return Pattern::exact(exact_text());
    if (percent < 95) return Pattern::segments(segments_text());
    return Pattern::regex(regex_text());
  }

  /// Distinct topics in the order of their first draw.
  [[nodiscard]] std::vector<std::string> topics(std::size_t count) {
    std::vector<std::string> out;
    std::unordered_set<std::string> seen;
    while (out.size() < std::min(count, names_ / 2)) {
      std::string topic = exact_text();
      if (seen.insert(topic).second) out.push_back(std::move(topic));
    }
    return out;
  }

 private:
  struct Name {
    std::string service;
    std::string entity;
    std::string action;
  };

  [[nodiscard]] Name draw() {
    std::uniform_real_distribution<double> uniform(0, cumulative_.back());
    const auto found = std::lower_bound(cumulative_.begin(), cumulative_.end(), uniform(engine_));
    auto k = static_cast<std::uint64_t>(found - cumulative_.begin());
    k = (k + 1) * 0x9E3779B97F4A7C15;  // neighbours in rank share no word
    k ^= k >> 29U;
    return {"svc" + std::to_string(k % 1000), "ent" + std::to_string(k / 1000 % 20000),
            "act" + std::to_string(k / 20000000 % 100)};
  }

  [[nodiscard]] static std::string join(const Name& name) {
    return name.service + "." + name.entity + "." + name.action;
  }

  std::mt19937_64 engine_;
  std::size_t names_;
  std::vector<double> cumulative_;
};

}  // namespace busway::bench
