#pragma once
/// @file
/// What the type-erased forms are made of: an object behind an interface, and the library that its code came from.

#include <memory>
#include <utility>

namespace gpuplace::detail {

/// Owns an object behind `Interface`. The library is let go after the object, in assignments too.
template <class Interface>
class erased_unique {
public:
  explicit erased_unique(std::unique_ptr<Interface> object) : object_(std::move(object)) {}
  erased_unique(erased_unique&&) noexcept = default;
  erased_unique& operator=(erased_unique&& other) noexcept {
    erased_unique taken(std::move(other));
    swap(taken);
    return *this;
  }

  void swap(erased_unique& other) noexcept {
    library_.swap(other.library_);
    object_.swap(other.object_);
  }
  Interface* operator->() { return object_.get(); }
  Interface const* operator->() const { return object_.get(); }

  /// Keeps `library` loaded for as long as the object lives, beside what is kept already.
  void keep(std::shared_ptr<void> library) {
    if (library_ && library && library != library_)
      library_ = std::make_shared<std::pair<std::shared_ptr<void>, std::shared_ptr<void>>>(library_, std::move(library));
    else if (library) library_ = std::move(library);
  }
  std::shared_ptr<void> const& library() const { return library_; }

private:
  std::shared_ptr<void> library_;
  std::unique_ptr<Interface> object_;
};

/// The same with value semantics; `Interface::clone()` copies the object.
template <class Interface>
class erased_value : public erased_unique<Interface> {
public:
  using erased_unique<Interface>::erased_unique;
  erased_value(erased_value const& other) : erased_unique<Interface>(other->clone()) { this->keep(other.library()); }
  erased_value(erased_value&&) noexcept = default;
  erased_value& operator=(erased_value const& other) {
    erased_value copied(other);
    this->swap(copied);
    return *this;
  }
  erased_value& operator=(erased_value&&) noexcept = default;
};

}  // namespace gpuplace::detail
