// Products with a matrix of features, by the kernels of the model's weights.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/io/text.hpp>
#include <beit/io/weights.hpp>
#include <beit/nn/linear.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// A source with one parameter, "rows": a matrix in memory, or its transpose.
class MatrixSource final : public WeightSource {
 public:
  MatrixSource(const ConstRows& x, bool transposed) : x_(x), transposed_(transposed) {}

  bool has(const std::string& name) const override { return name == "rows"; }
  std::vector<Index> shape(const std::string&) const override {
    return transposed_ ? std::vector{x_.cols(), x_.rows()} : std::vector{x_.rows(), x_.cols()};
  }
  void read(const std::string& name, std::span<const Index> wanted, Index begin, Index count,
            float* out) const override {
    if (const std::vector<Index> found = shape(name);
        !std::equal(found.begin(), found.end(), wanted.begin(), wanted.end())) {
      throw WeightError(concat({"rows: found shape ", shape_text(found), ", wanted ", shape_text(wanted)}));
    }
    const Index cols = wanted[1];
    for (Index i = 0; i < count; ++i) {
      const Index row = (begin + i) / cols, col = (begin + i) % cols;
      out[i] = transposed_ ? x_(col, row) : x_(row, col);
    }
  }

 private:
  const ConstRows& x_;
  bool transposed_;
};

}  // namespace detail

/// out = x r^T in single precision, where r (n, d) is packed by the constructor and not needed afterwards.
class RowProducts {
 public:
  RowProducts() = default;
  /// Packs the rows of r or, where `transposed`, its columns.
  RowProducts(const ConstRows& r, const Executor& executor, bool transposed = false,
              const Kernels& kernels = default_kernels()) {
    const detail::MatrixSource source(r, transposed);
    const std::vector<Index> shape = source.shape("rows");
    product_ = Linear<float>(kernels, source.root(executor), "rows", {shape[0], shape[1]}, AlignedBuffer<float>());
  }

  /// x (m, d) -> out (m, n); x (m, n) -> out (m, d) if transposed.
  void forward(const ConstRows& x, Workspace& workspace, Rows out) const {
    Workspace::Frame frame(workspace);
    const Activations rows = product_.input(frame, 1, x.rows());
    write_rows(x, rows, workspace.executor());
    product_.forward(rows, workspace, out);
  }

 private:
  Linear<float> product_;
};

}  // namespace beit::inline BEIT_ABI
