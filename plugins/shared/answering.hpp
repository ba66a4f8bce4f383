// shared/answering.hpp -- the answer to a question that somebody waits for, also to a bad one.
//
// Model      answer(context, f) replies with what f gives. What f throws, because a field of the
//            question has the wrong type for example, becomes the reply {"error": words}: who asked
//            would else wait for nothing until his time is over.
// Threads    [plugin-worker]
// Ownership  None.
// Errors     What the host says to the reply itself passes through.
// Cost       None of its own.
#pragma once

#include <busway/plugin.hpp>

#include <cstddef>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace shared {

template <class F>
void answer(busway::PluginContext& context, F f) {
  busway::Json reply;
  try {
    reply = f();
  } catch (const std::exception& error) {
    reply = {{"error", std::string("the question cannot be answered: ") + error.what()}};
  }
  context.reply(reply);
}

/// What a question holds; one without a payload holds nothing.
[[nodiscard]] inline busway::Json question_of(const busway::PluginEvent& event) {
  if (!event.has_payload() || event.json().is_null()) return busway::Json::object();
  if (!event.json().is_object()) throw std::invalid_argument("its payload is no JSON object");
  return event.json();
}

/// A text that may be left out.
[[nodiscard]] inline std::optional<std::string> text_in(const busway::Json& question,
                                                        std::string_view key) {
  const auto found = question.find(key);
  if (found == question.end() || found->is_null()) return std::nullopt;
  if (!found->is_string()) throw std::invalid_argument(std::string(key) + " is no text");
  return found->get<std::string>();
}

/// A whole number, not below zero, that may be left out.
[[nodiscard]] inline std::optional<std::size_t> count_in(const busway::Json& question,
                                                         std::string_view key) {
  const auto found = question.find(key);
  if (found == question.end() || found->is_null()) return std::nullopt;
  if (!found->is_number_unsigned()) {
    throw std::invalid_argument(std::string(key) + " is no whole number from 0 on");
  }
  return found->get<std::size_t>();
}

}  // namespace shared
