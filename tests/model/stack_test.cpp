// How much of a thread's stack is needed: musl gives threads 128 KB, and a user's pool may give as little.
#if defined(__has_feature)
#define BEIT_TEST_HAS_FEATURE(name) __has_feature(name)
#else
#define BEIT_TEST_HAS_FEATURE(name) 0
#endif

// Sanitizers need much more of it, Windows' threads have at least 1 MB, and those of a browser have no attributes.
#if !defined(_WIN32) && !defined(__EMSCRIPTEN__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !BEIT_TEST_HAS_FEATURE(address_sanitizer) && !BEIT_TEST_HAS_FEATURE(thread_sanitizer)
#include <pthread.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <new>
#include <tuple>

#include <gtest/gtest.h>

#include <beit/beit.hpp>
#include <beit/model/load_any.hpp>

#include "../levels.hpp"
#include "../testing.hpp"

namespace beit_test::stack_test {

constexpr std::size_t most = std::size_t{128} * 1024;  // as docs/calls.md says

/// Runs `task` on a thread of its own and returns how many bytes of its stack were written to.
template <typename Task>
std::size_t stack_of(Task task) {
  constexpr std::size_t size = std::size_t{1} << 20;
  constexpr std::align_val_t page{std::size_t{1} << 16};
  constexpr std::byte untouched{0xA5};
  auto* const stack = static_cast<std::byte*>(::operator new(size, page));
  std::fill_n(stack, size, untouched);
  ::pthread_attr_t attributes;
  ::pthread_t thread;
  const auto run = [](void* context) -> void* {
    (*static_cast<Task*>(context))();
    return nullptr;
  };
  EXPECT_EQ(::pthread_attr_init(&attributes), 0);
  EXPECT_EQ(::pthread_attr_setstack(&attributes, stack, size), 0);
  const int error = ::pthread_create(&thread, &attributes, run, &task);
  EXPECT_EQ(error, 0);
  if (error == 0) {
    EXPECT_EQ(::pthread_join(thread, nullptr), 0);
  }
  ::pthread_attr_destroy(&attributes);
  const std::byte* const first = std::find_if(stack, stack + size, [](std::byte b) { return b != untouched; });
  const auto used = static_cast<std::size_t>(stack + size - first);
  ::operator delete(stack, page);
  return used;
}

const std::filesystem::path data = std::filesystem::path(BEIT_EXAMPLES_DIR) / "data";

/// A level and a precision.
class StackOn : public testing::TestWithParam<std::tuple<beit::Isa, beit::Precision>> {};

TEST_P(StackOn, OfWholeCallsIsSmall) {
  const auto [isa, precision] = GetParam();
  beit::ThreadPool pool(1);  // all tasks run on the calling thread
  const beit::LoadOptions options{.isa = isa, .executor = pool, .precision = precision};
  const beit::Image image = beit::read_image(data / "coffee.png");
  EXPECT_LE(stack_of([&] {
              const auto model = beit::load_any(data / "beit_fashion_mnist.safetensors", options);
              beit::Workspace workspace(pool);
              EXPECT_EQ(beit::classify(*model, image, 5, workspace).size(), 5u);
            }),
            most);
  EXPECT_LE(stack_of([&] {
              const auto model =
                  beit::load_any_segmentation_model(data / "segmentation_fashion_mnist.safetensors", options);
              beit::Workspace workspace(pool);
              EXPECT_EQ(beit::segment(*model, image, {}, workspace).size.area(), image.width() * image.height());
            }),
            most);
  EXPECT_LE(stack_of([&] {
              const auto tokenizer = beit::load_any_tokenizer(data / "dvae_fashion_mnist.safetensors", options);
              EXPECT_GT(tokenizer->encode(image).values.size(), 0u);
            }),
            most);
  EXPECT_LE(stack_of([&] {
              const auto tokenizer = beit::load_any_tokenizer(golden("vqkd_square.safetensors"), options);
              EXPECT_GT(tokenizer->encode(image).values.size(), 0u);
            }),
            most);
}

TEST(Stack, OfDecodingIsSmall) {
  for (const char* const name : {"rocket.jpg", "coffee.png"}) {
    EXPECT_LE(stack_of([&] { EXPECT_GT(beit::read_image(data / name).size(), 0); }), most) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(, StackOn,
                         testing::Combine(testing::ValuesIn(available_levels()), testing::ValuesIn(beit::precisions)));

}  // namespace beit_test::stack_test
#endif
