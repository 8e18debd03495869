#include <gtest/gtest.h>

#include <beit/core/affinity.hpp>

#if defined(__linux__)
#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

namespace beit_test::affinity_test {

namespace fs = std::filesystem;

/// A folder with the system's files about control groups, removed at the end.
class ContainerProcessors : public testing::Test {
 protected:
  ContainerProcessors() : root_(fs::temp_directory_path() / ("beit_affinity_" + std::to_string(::getpid()))) {
    fs::remove_all(root_);
  }
  ~ContainerProcessors() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  int found() const { return beit::detail::container_processors(root_.string()); }

 private:
  fs::path root_;
};

TEST_F(ContainerProcessors, NoneWithoutFiles) { EXPECT_EQ(found(), 0); }

TEST_F(ContainerProcessors, OfAContainerThatIsTheOutermostGroup) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(found(), 0);
  write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(found(), 2);
}

TEST_F(ContainerProcessors, RoundsUp) {
  write("proc/self/cgroup", "0::/\n");
  for (const auto& [quota, processors] : {std::pair("1000", 1), {"100000", 1}, {"100001", 2}, {"250000", 3}}) {
    write("sys/fs/cgroup/cpu.max", std::string(quota) + " 100000\n");
    EXPECT_EQ(found(), processors) << quota;
  }
}

TEST_F(ContainerProcessors, TakesTheSmallestOfTheGroupAndThoseAroundIt) {
  write("proc/self/cgroup", "0::/system.slice/some.service/worker\n");
  write("sys/fs/cgroup/system.slice/some.service/cpu.max", "300000 100000\n");
  EXPECT_EQ(found(), 3);
  write("sys/fs/cgroup/system.slice/cpu.max", "200000 50000\n");
  EXPECT_EQ(found(), 3);
  write("sys/fs/cgroup/system.slice/some.service/worker/cpu.max", "max 100000\n");
  EXPECT_EQ(found(), 3);
  write("sys/fs/cgroup/system.slice/cpu.max", "100000 50000\n");
  EXPECT_EQ(found(), 2);
  write("sys/fs/cgroup/system.slice/other.service/cpu.max", "50000 50000\n");
  EXPECT_EQ(found(), 2);
}

TEST_F(ContainerProcessors, ReadsTheFirstVersion) {
  write("proc/self/cgroup", "12:cpuset:/pins\n4:cpu,cpuacct:/docker/1234\n1:name=systemd:/docker/1234\n0::/\n");
  // In the container, the group's folder is the mount itself.
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(found(), 3);
  write("sys/fs/cgroup/cpu/docker/1234/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/docker/1234/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(found(), 3);
  write("sys/fs/cgroup/cpu/docker/1234/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(found(), 1);
  write("sys/fs/cgroup/cpu/docker/1234/cpu.cfs_quota_us", "100000");  // without a newline
  EXPECT_EQ(found(), 2);
}

TEST_F(ContainerProcessors, IgnoresWhatItCannotRead) {
  write("proc/self/cgroup", "\n:\nnonsense\n0::no/slash\n0::/a\n");
  write("sys/fs/cgroup/a/cpu.max", "many 100000\n");
  EXPECT_EQ(found(), 0);
  write("sys/fs/cgroup/a/cpu.max", "100000 0\n");
  EXPECT_EQ(found(), 0);
  write("sys/fs/cgroup/cpu.max", "9000000000000000000 1\n");
  EXPECT_EQ(found(), 65536);
}

}  // namespace beit_test::affinity_test
#endif
