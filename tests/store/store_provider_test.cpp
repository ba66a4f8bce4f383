#include "busway/store_provider.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "busway/error.hpp"
#include "busway/memory_store.hpp"

namespace busway {
namespace {

/// What open_store() throws, as code and words.
std::string refusal(std::string_view address, ErrorCode code) {
  try {
    static_cast<void>(open_store(address));
    return "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
}

TEST(StoreProvider, OpensMemory) {
  const std::shared_ptr<Store> store = open_store("memory:");
  EXPECT_EQ(store->info().provider, "memory");
  EXPECT_TRUE(store_is_known("memory"));
  EXPECT_FALSE(store_is_known("nothing"));
}

TEST(StoreProvider, GivesMemoryItsOptions) {
  StoreOptions options;
  options.durability = Durability::power_loss;
  EXPECT_THROW(static_cast<void>(open_store("memory:", options)), Error);
}

TEST(StoreProvider, RefusesWhatIsNoAddressAndSaysWhatIs) {
  EXPECT_TRUE(refusal("events.db", ErrorCode::invalid_option)
                  .starts_with("store \"events.db\" is no address; write memory:, sqlite:PATH"));
  EXPECT_TRUE(
      refusal("", ErrorCode::invalid_option).starts_with("store \"\" is no address; write"));
  EXPECT_TRUE(refusal("mongo://x", ErrorCode::invalid_option)
                  .starts_with("store: \"mongo\" is no provider"));
  EXPECT_EQ(refusal("memory:x", ErrorCode::invalid_option),
            "store \"memory:x\": nothing follows memory:");
}

TEST(StoreProvider, NamesTheComponentThatIsMissing) {
  EXPECT_NE(refusal("redis://localhost", ErrorCode::not_yet).find("busway::redis"),
            std::string::npos);
  EXPECT_NE(refusal("postgresql://localhost/db", ErrorCode::not_yet).find("busway::postgres,"),
            std::string::npos);
}

/// What is registered stays until the process ends, so each run of a test takes a name of its own.
std::string new_scheme() {
  static int made = 0;
  return "test-own" + std::to_string(++made);
}

TEST(StoreProvider, OpensAStoreOfYourOwn) {
  const std::string scheme = new_scheme();
  const auto asked = std::make_shared<std::string>();
  register_store(scheme, [asked](std::string_view address, const StoreOptions& options) {
    *asked = std::string(address) + " by " + options.instance_id;
    return make_memory_store(options);
  });
  EXPECT_TRUE(store_is_known(scheme));
  StoreOptions options;
  options.instance_id = "me";
  EXPECT_NE(open_store(scheme + ":a:b", options), nullptr);
  EXPECT_EQ(*asked, scheme + ":a:b by me");

  try {
    register_store(scheme, {});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::already_exists);
  }
  EXPECT_THROW(register_store("memory", {}), Error);
}

TEST(StoreProvider, DurabilitiesAndAnswersHaveWords) {
  EXPECT_EQ(to_string(Durability::memory), "memory");
  EXPECT_EQ(to_string(Durability::process_crash), "process_crash");
  EXPECT_EQ(to_string(Durability::power_loss), "power_loss");
  EXPECT_EQ(to_string(Appended::unknown), "unknown");
  EXPECT_EQ(to_string(Appended::stored), "stored");
  EXPECT_EQ(to_string(Appended::duplicate), "duplicate");
  EXPECT_EQ(to_string(Appended::not_stored), "not_stored");
}

}  // namespace
}  // namespace busway
