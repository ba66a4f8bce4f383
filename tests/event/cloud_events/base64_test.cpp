#include "event/cloud_events/base64.hpp"

#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>
#include <utility>

namespace busway::detail {
namespace {

std::string encode(const std::string& data) {
  return encode_base64(std::as_bytes(std::span(data.data(), data.size())));
}

TEST(Base64, AgreesWithTheVectorsOfRfc4648) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [data, text] : vectors) {
    EXPECT_EQ(encode(data), text);
    EXPECT_EQ(decode_base64(text), data);
  }
  EXPECT_EQ(encode("\xfb\xff"), "+/8=");
}

TEST(Base64, RefusesWhatItWouldNotHaveWritten) {
  for (const std::string text :
       {"Z", "Zg", "Zg=", "Zg===", "====", "=", "Zm9v=", "Zg==Zg==", "Zm9 ", "Zm9v\n", "Zm9*",
        "-_8=", "Zh==", "Zm9=", "Z===", "\xff\xff\xff\xff"}) {
    EXPECT_EQ(decode_base64(text), std::nullopt) << text;
  }
}

TEST(Base64, RestoresAnyBytes) {
  std::mt19937_64 random(4);
  for (std::size_t size = 0; size < 200; ++size) {
    std::string data(size, '\0');
    for (char& c : data) c = static_cast<char>(random());
    EXPECT_EQ(decode_base64(encode(data)), data);
  }
}

}  // namespace
}  // namespace busway::detail
