// Tests what calls and loads report, and that a program's exceptions stop them at every step.
#include <beit/core/progress.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/core/thread_pool.hpp>
#include <beit/model/classify.hpp>
#include <beit/model/load.hpp>
#include <beit/model/segment.hpp>

#include "testing.hpp"

namespace beit_test::progress_test {

using beit::Index;
using beit::Matrix;
using beit::Progress;
using beit::Workspace;
using testing::Each;

/// A call of a model, which returns all that it computes.
struct Call {
  std::string name;
  std::vector<Index> done;  // what it must report, step by step
  Index total;              // in each of them
  std::function<std::vector<float>(Workspace&)> run;
};

std::vector<float> values(const Matrix& m) { return {m.data(), m.data() + m.size()}; }

Matrix inputs(Index rows, Index cols) {
  Matrix x(rows, cols);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = static_cast<float>(i * 37 % 101) / 101;
  return x;
}

std::vector<beit::Image> photographs(Index count) {
  std::vector<beit::Image> images;
  for (Index n = 0; n < count; ++n) {
    images.emplace_back(30, 40);
    for (Index i = 0; i < 30 * 40 * 3; ++i) images.back().data()[i] = static_cast<std::uint8_t>((n + 1) * i * 7 % 251);
  }
  return images;
}

/// Every call that takes a workspace but for segmentation, of models with 2 blocks and of a tokenizer with 4 groups in
/// each half.
std::vector<Call> calls() {
  static const auto model = beit::load<float>(golden("model_standard.safetensors"));
  static const auto masked = beit::load_masked_image_model<float>(golden("hugging_face") / "masked");
  static const auto tokenizer = beit::load_tokenizer<float>(golden("dvae_four.safetensors"));
  static const auto vq = beit::load_tokenizer<float>(golden("vqkd_square.safetensors"));
  static const Matrix x = inputs(3, 3 * model.config().image_size.area());
  static const Matrix pixels = inputs(2, 3 * tokenizer.preprocessing().input_size.area());
  static const Matrix masked_x = inputs(2, 3 * masked.config().image_size.area());
  static const std::vector<std::uint8_t> mask(static_cast<std::size_t>(2 * masked.config().grid().area()), 1);
  static const std::vector<beit::Image> images = photographs(2);
  const Index tokens = model.config().num_tokens(), dim = model.config().embed_dim;
  return {
      {"forward",
       {0, 1, 2},
       2,
       [](Workspace& workspace) {
         Matrix out(3, model.config().num_classes);
         model.forward(x, workspace, out);
         return values(out);
       }},
      {"forward_features",
       {0, 1, 2},
       2,
       [=](Workspace& workspace) {
         Matrix out(3 * tokens, dim);
         model.forward_features(x, workspace, out);
         return values(out);
       }},
      {"forward_intermediates",
       {0, 1, 2},
       2,
       [](Workspace& workspace) {
         return values(model.forward_intermediates(x, {.indices = {0}}, workspace).features);
       }},
      {"forward_intermediates, stopped early",
       {0, 1},
       1,
       [](Workspace& workspace) {
         return values(model.forward_intermediates(x, {.indices = {0}, .stop_early = true}, workspace).features);
       }},
      {"forward_attention",
       {0, 1},
       1,
       [](Workspace& workspace) { return values(model.forward_attention(x, {1}, workspace)[0]); }},
      {"classify",
       {0, 1, 2},
       2,
       [](Workspace& workspace) {
         std::vector<float> scores;
         for (const auto& of_image : beit::classify(model, images, 3, workspace)) {
           for (const auto& [index, label, score] : of_image) scores.push_back(score);
         }
         return scores;
       }},
      {"embed", {0, 1, 2}, 2, [](Workspace& workspace) { return values(beit::embed(model, images, workspace)); }},
      {"masked forward",
       {0, 1, 2},
       2,
       [](Workspace& workspace) {
         Matrix out(2 * masked.config().grid().area(), masked.config().vocab_size);
         masked.forward(masked_x, mask, workspace, out);
         return values(out);
       }},
      {"masked forward_features",
       {0, 1, 2},
       2,
       [](Workspace& workspace) {
         Matrix out(2 * masked.config().num_tokens(), masked.config().embed_dim);
         masked.forward_features(masked_x, mask, workspace, out);
         return values(out);
       }},
      {"tokenizer encode, of two images",
       {0, 1, 2, 3, 4, 4, 5, 6, 7, 8},
       8,
       [](Workspace& workspace) {
         std::vector<std::int32_t> out(static_cast<std::size_t>(2 * tokenizer.grid().area()));
         tokenizer.encode(pixels, workspace, out);
         return std::vector<float>(out.begin(), out.end());
       }},
      {"tokenizer decode",
       {0, 1, 2, 3, 4},
       4,
       [](Workspace& workspace) {
         const std::vector<std::int32_t> some(static_cast<std::size_t>(tokenizer.grid().area()), 1);
         const beit::Image image = tokenizer.decode({tokenizer.grid(), some}, workspace);
         return std::vector<float>(image.data(), image.data() + image.height() * image.width() * 3);
       }},
      {"BEiT v2's tokenizer, encoding two images",
       {0, 1, 2, 2, 3, 4},
       4,
       [](Workspace& workspace) {
         std::vector<float> all;
         for (const beit::Tokens& of_image : vq.encode(images, workspace)) {
           all.insert(all.end(), of_image.values.begin(), of_image.values.end());
         }
         return all;
       }},
  };
}

/// Segmentation by windows, of two at this ratio, each of which reports the blocks that feed the head and the head:
/// blocks of 12, and steps of the head of 6.
Call segmentation() {
  static const auto model = beit::load_segmentation_model<float>(golden("segmentation") / "model");
  static const beit::Image image = photographs(1)[0];
  return {"segment", {0, 1, 2, 3, 4, 5, 6, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 4, 5, 6}, 12, [](Workspace& workspace) {
            const auto map = beit::segment(model, image, {.as = beit::SegmentationRule::microsoft}, workspace);
            return std::vector<float>(map.values.begin(), map.values.end());
          }};
}

std::vector<Call> calls_and_segmentation() {
  std::vector<Call> all = calls();
  all.push_back(segmentation());
  return all;
}

/// A program's own exception, which is no std::exception.
struct Stop {
  Index step;
};

TEST(Progress, IsReportedByEveryCall) {
  for (const int threads : {1, 3}) {
    beit::ThreadPool pool(threads);
    for (const Call& call : calls()) {
      SCOPED_TRACE(call.name);
      Workspace workspace(pool);
      const std::vector<float> wanted = call.run(workspace);
      std::vector<Index> done, total;
      std::vector<std::string> what;
      std::vector<bool> on_this_thread;
      workspace.on_progress([&, caller = std::this_thread::get_id()](const Progress& progress) {
        done.push_back(progress.done);
        total.push_back(progress.total);
        what.emplace_back(progress.what);
        on_this_thread.push_back(std::this_thread::get_id() == caller);
      });
      EXPECT_EQ(call.run(workspace), wanted);
      EXPECT_EQ(done, call.done);
      const bool groups = call.name.starts_with("tokenizer");
      EXPECT_THAT(total, Each(call.total));
      EXPECT_THAT(what, Each(groups ? "group" : "block"));
      EXPECT_THAT(on_this_thread, Each(true));
      workspace.on_progress({});
      done.clear();
      EXPECT_EQ(call.run(workspace), wanted);
      EXPECT_TRUE(done.empty());
    }
  }
}

TEST(Progress, StopsEveryCallAtEveryStep) {
  for (const int threads : {1, 3}) {
    beit::ThreadPool pool(threads);
    for (const Call& call : calls_and_segmentation()) {
      SCOPED_TRACE(call.name);
      Workspace untouched(pool), workspace(pool);
      const std::vector<float> wanted = call.run(untouched);
      for (std::size_t last = 0; last < call.done.size(); ++last) {
        Index step = 0;
        workspace.on_progress([&](const Progress&) {
          if (step++ == static_cast<Index>(last)) throw Stop{step};
        });
        try {
          call.run(workspace);
          ADD_FAILURE() << "went on after step " << last;
        } catch (const Stop& stop) {
          EXPECT_EQ(stop.step, static_cast<Index>(last) + 1);
        }
        EXPECT_EQ(step, static_cast<Index>(last) + 1) << "reported more after the exception";
        workspace.on_progress({});
        EXPECT_EQ(call.run(workspace), wanted) << "with the workspace of the call that was stopped";
      }
    }
  }
}

/// A user's pool that stops work by an exception after so many calls.
struct StoppingPool {
  int left;
  int size() const { return 2; }
  void parallel_for(Index count, const auto& task) {
    if (left-- == 0) throw Stop{0};
    for (Index i = 0; i < count; ++i) task(i);
  }
};

TEST(Progress, APoolStopsEveryCallInAnyPartOfIt) {
  for (const Call& call : calls_and_segmentation()) {
    SCOPED_TRACE(call.name);
    beit::ThreadPool other(1);
    Workspace untouched(other);
    const std::vector<float> wanted = call.run(untouched);
    StoppingPool pool{0};
    Workspace workspace(pool);
    int stopped = 0;
    for (bool complete = false; !complete; ++stopped) {
      pool.left = stopped;
      try {
        EXPECT_EQ(call.run(workspace), wanted);
        complete = true;
      } catch (const Stop&) {
      }
    }
    EXPECT_GT(stopped, 4);
  }
}

/// A source and the function that loads it.
struct Loading {
  std::filesystem::path path;
  std::function<void(const beit::LoadOptions&)> load;
};

std::vector<Loading> loadings() {
  const auto of = [](const std::filesystem::path& path, auto function) {
    return Loading{path, [=](const beit::LoadOptions& options) { static_cast<void>(function(path, options)); }};
  };
  return {of(golden("model_standard.safetensors"), beit::load<float>),
          of(golden("model_bf16.safetensors"), beit::load<std::int8_t>),
          of(golden("hugging_face") / "masked", beit::load_masked_image_model<Eigen::bfloat16>),
          of(golden("dvae_two.safetensors"), beit::load_tokenizer<float>)};
}

/// The names of the tensors in the weights file at a path or in the folder there.
std::vector<std::string> tensor_names(const std::filesystem::path& path) {
  const auto file = beit::SafeTensors::open(std::filesystem::is_directory(path) ? path / "model.safetensors" : path);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors()) names.push_back(name);
  return names;
}

TEST(Progress, OfALoadNamesEveryTensorOnce) {
  for (const int threads : {1, 3}) {
    beit::ThreadPool pool(threads);
    for (const Loading& loading : loadings()) {
      SCOPED_TRACE(loading.path);
      const std::vector<std::string> wanted = tensor_names(loading.path);
      std::vector<std::string> names;
      std::vector<bool> on_this_thread;
      Index last = -1;
      const auto on_progress = [&, caller = std::this_thread::get_id()](const Progress& progress) {
        names.emplace_back(progress.what);
        on_this_thread.push_back(std::this_thread::get_id() == caller);
        EXPECT_EQ(progress.done, last + 1);
        EXPECT_EQ(progress.total, std::ssize(wanted));
        last = progress.done;
      };
      loading.load({.executor = pool, .on_progress = on_progress});
      EXPECT_EQ(last, std::ssize(wanted));
      EXPECT_THAT(on_this_thread, Each(true));
      ASSERT_FALSE(names.empty());
      EXPECT_THAT(names.back(), testing::HasSubstr(loading.path.filename().string()));
      names.pop_back();
      EXPECT_THAT(names, testing::UnorderedElementsAreArray(wanted));
    }
  }
}

TEST(Progress, StopsALoadAtEveryTensor) {
  beit::ThreadPool pool(3);
  for (const Loading& loading : loadings()) {
    SCOPED_TRACE(loading.path);
    for (Index last = 0; last <= std::ssize(tensor_names(loading.path)); ++last) {
      const auto on_progress = [&](const Progress& progress) {
        if (progress.done == last) throw Stop{last};
      };
      EXPECT_THROW(loading.load({.executor = pool, .on_progress = on_progress}), Stop);
    }
    loading.load({.executor = pool});
  }
}

TEST(Progress, CountsTensorsThatAreNotNeededAsDone) {
  std::vector<std::string> names;
  const auto on_progress = [&](const Progress& progress) { names.emplace_back(progress.what); };
  const auto path = golden("model_standard.safetensors");
  static_cast<void>(beit::load<float>(path, {.features_only = true, .on_progress = on_progress}));
  EXPECT_THAT(names, testing::Not(testing::Contains(testing::StartsWith("head."))));
  EXPECT_THAT(names, testing::Contains("blocks.1.mlp.fc2.weight"));
}

TEST(Progress, CountsBuffersThatNoModelNeedsAsDone) {
  const auto path = golden("segmentation") / "model";
  const std::vector<std::string> tensors = tensor_names(path);
  const auto buffers = std::count_if(tensors.begin(), tensors.end(), [](const std::string& name) {
    return name.ends_with("num_batches_tracked") || name.starts_with("auxiliary_head.");
  });
  std::vector<Index> done;
  const auto on_progress = [&](const Progress& progress) { done.push_back(progress.done); };
  static_cast<void>(beit::load_segmentation_model<float>(path, {.on_progress = on_progress}));
  std::vector<Index> wanted(tensors.size() - static_cast<std::size_t>(buffers) + 1);
  std::iota(wanted.begin(), wanted.end(), buffers);
  EXPECT_EQ(done, wanted);
}

TEST(Progress, SegmentationCountsStepsOfAllWindowsTogether) {
  Workspace workspace;
  std::map<std::string, std::vector<Index>> done, total;
  workspace.on_progress([&](const Progress& progress) {
    done[std::string(progress.what)].push_back(progress.done);
    total[std::string(progress.what)].push_back(progress.total);
  });
  segmentation().run(workspace);
  EXPECT_EQ(done["block"], (std::vector<Index>{0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12}));
  EXPECT_THAT(total["block"], Each(12));
  EXPECT_EQ(done["head"], (std::vector<Index>{1, 2, 3, 4, 5, 6}));
  EXPECT_THAT(total["head"], Each(6));
}

TEST(Progress, SegmentationReportsTheBlocksThatFeedItsHeadAndTheHead) {
  const auto model = beit::load_segmentation_model<float>(golden("segmentation") / "model");
  Workspace workspace;
  std::vector<std::string> steps;
  workspace.on_progress([&](const Progress& progress) {
    steps.push_back(std::string(progress.what) + " " + std::to_string(progress.done) + "/" +
                    std::to_string(progress.total));
  });
  Matrix out(model.config().logits_size().area(), model.config().num_classes);
  model.forward(inputs(1, 3 * model.config().image_size.area()), workspace, out);
  EXPECT_EQ(steps, (std::vector<std::string>{"block 0/4", "block 1/4", "block 2/4", "block 3/4", "block 4/4",
                                             "head 1/3", "head 2/3", "head 3/3"}));
}

}  // namespace beit_test::progress_test
