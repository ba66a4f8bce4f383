// What users do and what is noticed about them.

#include <string>

#include "busway/events/auth_suspicious.hpp"
#include "busway/events/subscription_updated.hpp"
#include "busway/events/user_event_data.hpp"
#include "busway/topics.hpp"
#include "busway/typed_event.hpp"

namespace busway {
namespace {

EventOptions with_user(const EventOptions& options, std::string_view user_id) {
  EventOptions stamped = options;
  if (stamped.user_id.text().empty()) stamped.user_id = user_id;
  return stamped;
}

Event make(std::string_view topic, std::string_view user_id, std::string_view email,
           std::string_view address, const EventOptions& options) {
  return Event(topic,
               typed_payload(UserEventData{.user_id = std::string(user_id),
                                           .email = std::string(email),
                                           .address = std::string(address)}),
               with_user(options, user_id));
}

}  // namespace

Event user_registered(std::string_view user_id, std::string_view email, std::string_view address,
                      const EventOptions& options) {
  return make(topics::kUserRegistered, user_id, email, address, options);
}

Event user_login(std::string_view user_id, std::string_view email, std::string_view address,
                 const EventOptions& options) {
  return make(topics::kUserLogin, user_id, email, address, options);
}

Event user_login_failed(std::string_view user_id, std::string_view email, std::string_view address,
                        const EventOptions& options) {
  return make(topics::kUserLoginFailed, user_id, email, address, options);
}

Event user_logout(std::string_view user_id, std::string_view email, std::string_view address,
                  const EventOptions& options) {
  return make(topics::kUserLogout, user_id, email, address, options);
}

Event subscription_updated(std::string_view user_id, std::string_view tier,
                           const EventOptions& options) {
  return typed_event(
      SubscriptionUpdated{.user_id = std::string(user_id), .tier = std::string(tier)},
      with_user(options, user_id));
}

Event auth_suspicious(std::string_view user_id, std::string_view address, std::string_view reason,
                      const EventOptions& options) {
  return typed_event(AuthSuspicious{.user_id = std::string(user_id),
                                    .address = std::string(address),
                                    .reason = std::string(reason)},
                     with_user(options, user_id));
}

}  // namespace busway
