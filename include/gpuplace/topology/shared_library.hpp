#pragma once
/// @file
/// A shared library that may or may not be on the machine, and its C functions.

#include <dlfcn.h>

#include <memory>
#include <string>

namespace gpuplace::topology {

/// A library opened at run time; closed with the last copy.
class shared_library {
public:
  /// Opens the first of `names` that is there: a file's path, or a name that the dynamic linker looks up.
  template <class... Names>
  static shared_library open(Names const&... names) {
    shared_library made;
    ((made.handle_ ? void() : made.try_open(names)), ...);
    return made;
  }

  explicit operator bool() const { return handle_ != nullptr; }

  /// The function called `name`, of type `Function*`; null where the library has none.
  template <class Function>
  Function* function(char const* name) const {
    return handle_ == nullptr ? nullptr : reinterpret_cast<Function*>(::dlsym(handle_.get(), name));
  }

private:
  void try_open(std::string const& name) {
    if (!name.empty())
      handle_ =
          std::shared_ptr<void>(::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL), [](void* h) { h != nullptr ? ::dlclose(h) : 0; });
    if (handle_.get() == nullptr) handle_.reset();
  }

  std::shared_ptr<void> handle_;
};

}  // namespace gpuplace::topology
