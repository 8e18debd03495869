#include <beit/core/waitable_atomic.hpp>

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace beit_test::waitable_atomic_test {

// Two threads take turns: if a notification is lost, this test times out.
TEST(WaitableAtomic, TurnsAreNeitherLostNorDoubled) {
  constexpr int turns = 2'000;
  beit::detail::WaitableAtomic<int> turn{0};
  int counted = 0;  // written only by the thread whose turn it is
  const auto play = [&](int mine) {
    for (int t = mine; t < turns; t += 2) {
      for (int now = turn.load(); now != t; now = turn.load()) turn.wait(now);
      ++counted;
      turn.store(t + 1);
      turn.notify_one();
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  EXPECT_EQ(counted, turns);
}

TEST(WaitableAtomic, AllWhoWaitAreWoken) {
  beit::detail::WaitableAtomic<int> go{0}, done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      go.wait(0);
      ++done;
      done.notify_all();
    });
  }
  go.store(1);
  go.notify_all();
  for (int now = done.load(); now != 4; now = done.load()) done.wait(now);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(go.load(), 1);
}

}  // namespace beit_test::waitable_atomic_test
