// Tests that forward allocates nothing once the workspace has seen the batch size. This is a program of its own,
// because it counts every allocation of the process: through operator new here, and Eigen's own through Eigen's switch.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"  // by inlining, it sees free() in our operator delete
#endif
#define EIGEN_RUNTIME_NO_MALLOC
#include <gtest/gtest.h>

#include <atomic>
#include <beit/core/thread_pool.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/preprocess.hpp>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#include "../random_weights.hpp"

namespace {
std::atomic<long> allocations{0};

void* allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, size) != 0) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new[](std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }

namespace {

template <typename Weight>
long allocations_of_second_forward(int threads, beit::Index batch, beit::OnProgress on_progress = {}) {
  beit::Config config;
  config.image_size = config.preprocessing.input_size = {48, 48};
  config.embed_dim = 48;
  config.mlp_hidden = 100;
  config.depth = 2;
  config.use_abs_pos_emb = true;
  config.num_classes = 10;
  const beit_test::RandomWeights weights(1);
  const beit::Beit<Weight> model(config, weights.root());
  beit::ThreadPool pool(threads);
  beit::Workspace workspace(pool);
  workspace.on_progress(std::move(on_progress));
  beit::Matrix x(batch, 3 * 48 * 48), out(batch, 10), features(batch * 10, 48), maps(batch, 9 * 48);
  beit::Rows intermediates[] = {maps};
  const beit::IntermediatesOptions options{.indices = {-1}, .norm = true};
  x.map().setConstant(0.25f);
  const long at_start = allocations;
  model.forward(x, workspace, out);
  model.forward_intermediates(x, options, workspace, features, intermediates);
  EXPECT_GT(allocations, at_start) << "the counter doesn't count";
  const long before = allocations;
  Eigen::internal::set_is_malloc_allowed(false);
  model.forward(x, workspace, out);
  model.forward_intermediates(x, options, workspace, features, intermediates);
  Eigen::internal::set_is_malloc_allowed(true);
  return allocations - before;
}

TEST(Forward, AllocatesNothingTheSecondTime) {
  EXPECT_EQ(allocations_of_second_forward<float>(1, 1), 0);
  EXPECT_EQ(allocations_of_second_forward<float>(2, 1), 0);
  EXPECT_EQ(allocations_of_second_forward<float>(3, 4), 0);
  EXPECT_EQ(allocations_of_second_forward<Eigen::bfloat16>(2, 3), 0);
  EXPECT_EQ(allocations_of_second_forward<std::int8_t>(2, 3), 0);
}

TEST(Forward, ReportsProgressWithoutAllocating) {
  beit::Index steps = 0;
  EXPECT_EQ(allocations_of_second_forward<float>(2, 1, [&](const beit::Progress& p) { steps += p.total; }), 0);
  EXPECT_EQ(steps, 4 * 3 * 2) << "four passes, three reports of two blocks each";
}

TEST(Preprocess, AllocatesNothingTheSecondTime) {
  const std::vector<std::uint8_t> bytes(90 * 70 * 3, 100);
  const std::vector<beit::ImageView> images(3, {bytes.data(), 90, 70, 3});
  beit::ThreadPool pool(1);  // so that both times the same slot has the images
  beit::Workspace workspace(pool);
  for (const beit::Interpolation interpolation : {beit::Interpolation::bicubic, beit::Interpolation::nearest}) {
    const beit::Preprocessing config{.input_size = {48, 48}, .interpolation = interpolation};
    beit::Matrix x(3, 3 * 48 * 48);
    beit::preprocess(config, images, workspace, x);
    const long before = allocations;
    beit::preprocess(config, images, workspace, x);
    EXPECT_EQ(allocations, before);
  }
}

}  // namespace
