// expect_error.hpp -- runs something that must throw busway::Error, and gives its message.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "busway/error.hpp"

namespace busway {

/// The message; fails the test when nothing, something else or another code is thrown.
template <class Action>
std::string error_of(ErrorCode code, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown where " << to_string(code) << " was expected";
  return {};
}

inline ::testing::AssertionResult mentions(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << '"' << text << "\" does not mention \"" << part << '"';
}

}  // namespace busway
