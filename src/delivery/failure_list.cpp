#include "busway/failure_list.hpp"

#include <vector>

namespace busway {

struct FailureList::Entries {
  std::vector<DeliveryFailure> list;
};

FailureList::FailureList(const FailureList& other)
    : entries_(other.entries_ != nullptr ? new Entries(*other.entries_) : nullptr) {}

std::size_t FailureList::size() const noexcept {
  return entries_ != nullptr ? entries_->list.size() : 0;
}

const DeliveryFailure* FailureList::begin() const noexcept {
  return entries_ != nullptr ? entries_->list.data() : nullptr;
}

const DeliveryFailure& FailureList::at(std::size_t i) const {
  static const std::vector<DeliveryFailure> none;
  return entries_ != nullptr ? entries_->list.at(i) : none.at(i);
}

void FailureList::push_back(DeliveryFailure failure) {
  if (entries_ == nullptr) entries_ = new Entries;
  entries_->list.push_back(std::move(failure));
}

void FailureList::destroy() noexcept { delete entries_; }

}  // namespace busway
