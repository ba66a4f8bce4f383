#include "platform/host_name.hpp"

#include <gtest/gtest.h>
#include <sys/utsname.h>

namespace busway::platform_detail {
namespace {

TEST(HostName, IsTheKernelsNodeName) {
  utsname names{};
  ASSERT_EQ(uname(&names), 0);
  const std::string node = names.nodename;
  EXPECT_EQ(host_name(), node.empty() ? "localhost" : node);
}

}  // namespace
}  // namespace busway::platform_detail
