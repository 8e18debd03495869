// This library's side of compare.py: loads a model once, then carries out the commands on standard input and answers
// each with one line of JSON.
//
//   beit_compare_worker --describe KIND    {"version": "...", "isa": "...", "precisions": ["float", ...]}
//   beit_compare_worker KIND MODEL PRECISION IMAGES.npy    KIND: classifier or segmentation
//                                                          images: float32 (count, in_chans*H*W), already preprocessed
//     run THREADS BATCH SECONDS       runs forward passes of the first BATCH images, at least one, until SECONDS have
//                                     passed: {"seconds": [one per pass]}
//     products THREADS BATCH SECONDS  runs only the blocks' products with weights, without epilogues; answers as run
//                                     (classifiers alone)
//     logits THREADS BATCH OUT.npy    writes float32 (BATCH, K), or (BATCH*h*w, K) of a segmentation model: {}
//     resize SECONDS HEIGHT WIDTH IMAGE OUT.npy    resizes (bicubic, one thread) and writes the bytes as floats:
//                                     {"seconds": [one per call]}
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/beit.hpp>
#include <beit/io/npy.hpp>

namespace {

using Json = nlohmann::json;

using beit::Index;

/// Multiplies what the blocks of a model multiply, by its own weights, and nothing else.
template <typename Weight>
class Products {
 public:
  Products(const std::filesystem::path& path, const beit::Config& config) : tokens_(config.num_tokens()) {
    const beit::SafeTensors file = beit::SafeTensors::open(path);
    const beit::WeightReader reader(file);
    const Index dim = config.embed_dim, hidden = config.mlp_hidden;
    for (Index i = 0; i < config.depth; ++i) {
      const beit::WeightScope block = reader.root().scope("blocks." + std::to_string(i));
      matrices_.emplace_back(beit::default_kernels(), block, "attn.qkv.weight",
                             std::initializer_list<Index>{3 * dim, dim}, Bias{});
      matrices_.emplace_back(beit::default_kernels(), block, "attn.proj.weight", std::initializer_list<Index>{dim, dim},
                             Bias{});
      matrices_.emplace_back(beit::default_kernels(), block, "mlp.fc1.weight",
                             std::initializer_list<Index>{hidden, dim}, Bias{});
      matrices_.emplace_back(beit::default_kernels(), block, "mlp.fc2.weight",
                             std::initializer_list<Index>{dim, hidden}, Bias{});
    }
  }

  void operator()(Index batch, beit::Workspace& workspace) const {
    constexpr Index together = 2;  // images at a time, as in beit::Block
    beit::Workspace::Frame frame(workspace);
    const auto input = [&](const beit::Linear<Weight>& matrix, Index images) {
      const beit::Activations x = matrix.input(frame, images, tokens_);
      beit::Rows ones = frame.rows(images * tokens_, matrix.inputs());
      ones.setOnes();
      beit::write_rows(ones, x, workspace.executor());
      return x;
    };
    const Index most = std::min(together, batch), hidden = matrices_[2].outputs();
    const beit::Activations narrow[] = {input(matrices_[0], 1), input(matrices_[0], most)};
    const beit::Activations wide[] = {input(matrices_[3], 1), input(matrices_[3], most)};
    beit::Rows out = frame.rows(most * tokens_, std::max(hidden, matrices_[0].outputs()));
    for (std::size_t block = 0; block < matrices_.size(); block += 4) {
      for (Index image = 0; image < batch; image += together) {
        const bool all = batch - image >= most;
        for (std::size_t i = block; i < block + 4; ++i) {
          const beit::Activations& x = (i % 4 == 3 ? wide : narrow)[all ? 1 : 0];
          matrices_[i].forward(x, workspace, out.topLeftCorner(x.rows(), matrices_[i].outputs()));
        }
      }
    }
  }

 private:
  using Bias = beit::AlignedBuffer<float>;

  Index tokens_;
  std::vector<beit::Linear<Weight>> matrices_;  // qkv, proj, fc1, fc2 of each block
};

struct Model {
  Index rows;  // of outputs per image
  Index num_outputs;
  std::function<void(const beit::ConstRows&, beit::Workspace&, beit::Rows)> forward;
  std::function<void(Index, beit::Workspace&)> multiply;  // the argument is the number of images
};

template <typename Weight>
Model load_classifier(const std::filesystem::path& path) {
  auto model = std::make_shared<const beit::Beit<Weight>>(beit::load<Weight>(path));
  // Loaded on first use, because they take as much memory as the model.
  auto products = std::make_shared<std::optional<Products<Weight>>>();
  return {1, model->num_outputs(),
          [model](const beit::ConstRows& x, beit::Workspace& workspace, beit::Rows out) {
            model->forward(x, workspace, out);
          },
          [=](Index batch, beit::Workspace& workspace) {
            if (!*products) products->emplace(path, model->config());
            (**products)(batch, workspace);
          }};
}

template <typename Weight>
Model load_segmentation(const std::filesystem::path& path) {
  auto model = std::make_shared<const beit::SegmentationModel<Weight>>(beit::load_segmentation_model<Weight>(path));
  return {model->config().logits_size().area(), model->config().num_classes,
          [model](const beit::ConstRows& x, beit::Workspace& workspace, beit::Rows out) {
            model->forward(x, workspace, out);
          },
          [](Index, beit::Workspace&) { throw beit::ArgumentError("found products, wanted a classifier for them"); }};
}

using Loader = Model (*)(const std::filesystem::path&);

struct Precision {
  std::string_view name;
  Loader classifier, segmentation;
};

template <typename Weight>
constexpr Precision precision_row(std::string_view name) {
  return {name, load_classifier<Weight>, load_segmentation<Weight>};
}

/// The precisions that compare.py times, under their names for the programs' --precision.
constexpr Precision precisions[] = {precision_row<float>("float"), precision_row<beit::FloatFast>("float-fast"),
                                    precision_row<Eigen::bfloat16>("bfloat16"), precision_row<std::int8_t>("int8")};

/// The kinds of models, in the order of a Precision's loaders.
enum class Kind { classifier, segmentation };

Kind read_kind(std::string_view name) {
  if (name == "classifier") return Kind::classifier;
  if (name == "segmentation") return Kind::segmentation;
  throw beit::ArgumentError("found the kind '" + std::string(name) + "', wanted classifier or segmentation");
}

Json describe(Kind kind) {
  Json names = Json::array();
  const beit::Kernels& kernels = beit::default_kernels();
  for (const Precision& precision : precisions) {
    // Without tile registers, float-fast is float, except in convolutions.
    if (kind == Kind::classifier && precision.name == "float-fast" &&
        beit::precision_kernels<beit::FloatFast>(kernels).gemm.run == beit::precision_kernels<float>(kernels).gemm.run)
      continue;
    names.push_back(precision.name);
  }
  return {{"version", BEIT_VERSION}, {"isa", beit::isa_name(kernels.isa)}, {"precisions", names}};
}

Model load_model(Kind kind, std::string_view name, const std::filesystem::path& path) {
  for (const Precision& precision : precisions) {
    if (precision.name == name) {
      return (kind == Kind::classifier ? precision.classifier : precision.segmentation)(path);
    }
  }
  throw beit::ArgumentError("found precision '" + std::string(name) + "', wanted one of --describe");
}

/// Calls `task` until `seconds` have passed, at least once. Returns how long each call took.
template <typename Task>
Json repeat(double seconds, const Task& task) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  Json times = Json::array();
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point begin = Clock::now();
    task();
    times.push_back(since(begin));
  } while (since(start) < seconds);
  return {{"seconds", times}};
}

class Worker {
 public:
  Worker(Kind kind, const std::filesystem::path& model, std::string_view precision, const std::filesystem::path& images)
      : model_(load_model(kind, precision, model)), images_(beit::read_npy(images)) {}

  Json answer(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    Json result = Json::object();
    if (command == "run") {
      const Forward forward = read_forward(words);
      const double seconds = read<double>(words);
      beit::Matrix logits(forward.batch * model_.rows, model_.num_outputs);
      result = repeat(seconds, [&] { run(forward, logits); });
    } else if (command == "products") {
      const Forward forward = read_forward(words);
      const double seconds = read<double>(words);
      model_.multiply(forward.batch, forward.threads->workspace);
      result = repeat(seconds, [&] { model_.multiply(forward.batch, forward.threads->workspace); });
    } else if (command == "logits") {
      const Forward forward = read_forward(words);
      beit::Matrix logits(forward.batch * model_.rows, model_.num_outputs);
      run(forward, logits);
      write(read_path(words), logits);
    } else if (command == "resize") {
      const double seconds = read<double>(words);
      const auto height = read<beit::Index>(words), width = read<beit::Index>(words);
      const beit::Image image = beit::read_image(read_path(words));
      std::vector<std::uint8_t> pixels(static_cast<std::size_t>(height * width * 3));
      result = repeat(seconds, [&] {
        beit::resize_window(image, {height, width}, {0, height}, {0, width}, beit::Interpolation::bicubic, pixels);
      });
      beit::Matrix out(height, width * 3);
      for (beit::Index i = 0; i < out.size(); ++i) out.data()[i] = pixels[static_cast<std::size_t>(i)];
      write(read_path(words), out);
    } else {
      throw beit::ArgumentError("found the command '" + command + "', wanted run, products, logits or resize");
    }
    return result;
  }

 private:
  struct Threads {
    explicit Threads(int count) : pool(count), workspace(pool) {}
    beit::ThreadPool pool;
    beit::Workspace workspace;
  };

  struct Forward {
    Threads* threads;
    beit::Index batch;
  };

  template <typename T>
  static T read(std::istringstream& words) {
    T value;
    if (!(words >> value)) throw beit::ArgumentError("found '" + words.str() + "', wanted another number");
    return value;
  }

  /// Reads the next word, in double quotes as std::quoted and json.dumps write them, or without.
  static std::filesystem::path read_path(std::istringstream& words) {
    std::string path;
    words >> std::quoted(path);
    return path;
  }

  Forward read_forward(std::istringstream& words) {
    const int count = read<int>(words);
    const auto batch = read<beit::Index>(words);
    if (count < 1 || batch < 1 || batch > images_.rows()) {
      throw beit::ArgumentError("found '" + words.str() + "', wanted threads, and 1 to " +
                                std::to_string(images_.rows()) + " images");
    }
    std::unique_ptr<Threads>& threads = threads_[count];
    if (!threads) threads = std::make_unique<Threads>(count);
    return {threads.get(), batch};
  }

  void run(const Forward& forward, beit::Matrix& logits) const {
    model_.forward(beit::ConstRows(images_).topRows(forward.batch), forward.threads->workspace, logits);
  }

  static void write(const std::filesystem::path& path, const beit::Matrix& rows) {
    beit::NpyWriter file(path, {rows.cols()});
    file.write(rows);
    file.close();
  }

  Model model_;
  beit::Matrix images_;  // (count, in_chans*H*W)
  std::map<int, std::unique_ptr<Threads>> threads_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 2 && arguments[0] == "--describe") {
      std::cout << describe(read_kind(arguments[1])) << std::endl;
      return 0;
    }
    if (arguments.size() != 4) {
      std::cerr << "usage: beit_compare_worker --describe KIND | KIND MODEL PRECISION IMAGES.npy" << std::endl;
      return 2;
    }
    const Kind kind = read_kind(arguments[0]);
    Worker worker(kind, arguments[1], arguments[2], arguments[3]);
    std::cout << describe(kind) << std::endl;
    for (std::string line; std::getline(std::cin, line);) std::cout << worker.answer(line) << std::endl;
  } catch (const std::exception& error) {
    std::cerr << "beit_compare_worker: " << error.what() << std::endl;
    return 1;
  }
  return 0;
}
