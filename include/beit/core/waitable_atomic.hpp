// An atomic number whose change threads can wait for.
#pragma once

#include <atomic>

#if defined(__GLIBCXX__) && !defined(_GLIBCXX_HAVE_LINUX_FUTEX)
#include <condition_variable>
#include <mutex>
#endif

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

#if defined(__GLIBCXX__) && !defined(_GLIBCXX_HAVE_LINUX_FUTEX)
/// Replaces std::atomic where libstdc++ has no futex (GCC 12 on Windows and macOS): its wait() loses notifications
/// there, because it checks the number before it takes the lock that it sleeps with.
template <typename T>
class WaitableAtomic : public std::atomic<T> {
 public:
  using std::atomic<T>::atomic;

  void wait(T old) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return this->load() != old; });
  }
  void notify_one() {
    { const std::lock_guard lock(mutex_); }  // every thread that saw the old number is asleep by now
    changed_.notify_one();
  }
  void notify_all() {
    { const std::lock_guard lock(mutex_); }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};
#else
template <typename T>
using WaitableAtomic = std::atomic<T>;
#endif

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
