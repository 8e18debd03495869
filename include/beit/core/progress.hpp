// How far a long call has come, which a program may show, measure or cancel.
#pragma once

#include <functional>
#include <string_view>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// How far a call has come.
struct Progress {
  std::string_view what;  ///< The kind of step, or the name of the next one; valid while the callback runs.
  Index done;             ///< The number of steps that are done or needn't be done.
  Index total;            ///< The number of all steps.
};

/// A program's function that is called between the steps of a call, on the thread that made the call. Whatever it
/// throws cancels the call and passes through it unchanged. If it is empty, nothing is called.
using OnProgress = std::function<void(const Progress&)>;

}  // namespace beit::inline BEIT_ABI
