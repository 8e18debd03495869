// The parts of a block as loops in double precision; matrices are (rows, columns).
#pragma once

#include <algorithm>
#include <cmath>

#include <Eigen/Core>

#include <beit/core/matrix.hpp>
#include <beit/io/weights.hpp>
#include <beit/nn/conv2d.hpp>

#include "../timm_index.hpp"

namespace beit_test::reference {

using beit::Index;
using Doubles = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Reads a parameter as (rows, columns).
inline Doubles parameter(const beit::WeightScope& weights, const char* name, Index rows, Index columns) {
  const auto values = rows == 1 ? weights.get(name, {columns}) : weights.get(name, {rows, columns});
  return Eigen::Map<const beit::RowMajorMatrix>(values.data(), rows, columns).cast<double>();
}

/// torch.nn.functional.linear.
inline Doubles linear(const Doubles& x, const Doubles& w, const Doubles& bias) {
  Doubles y = x * w.transpose();
  y.rowwise() += bias.row(0);
  return y;
}
inline Doubles linear(const Doubles& x, const beit::WeightScope& weights, Index outputs) {
  return linear(x, parameter(weights, "weight", outputs, x.cols()), parameter(weights, "bias", 1, outputs));
}

inline Doubles layer_norm(const Doubles& x, const beit::WeightScope& weights, double eps) {
  const Doubles scale = parameter(weights, "weight", 1, x.cols()), bias = parameter(weights, "bias", 1, x.cols());
  Doubles y(x.rows(), x.cols());
  for (Index i = 0; i < x.rows(); ++i) {
    const double mean = x.row(i).mean(), variance = (x.row(i).array() - mean).square().mean();
    for (Index j = 0; j < x.cols(); ++j) {
      y(i, j) = (x(i, j) - mean) / std::sqrt(variance + eps) * scale(0, j) + bias(0, j);
    }
  }
  return y;
}

inline Doubles gelu(const Doubles& x) {
  return x.unaryExpr([](double v) { return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); });
}

/// softmax(q k^T / sqrt(D) + R) of one image's head: qkv (N, 3*C) -> (N, N); table (positions, A) or empty.
inline Doubles attention_weights(const Doubles& qkv, Index head, Index heads, const Doubles& table, beit::Size grid) {
  const Index dim = qkv.cols() / 3, head_dim = dim / heads;
  const Doubles q = qkv.middleCols(head * head_dim, head_dim), k = qkv.middleCols(dim + head * head_dim, head_dim);
  Doubles weights = q * k.transpose() / std::sqrt(static_cast<double>(head_dim));
  for (Index i = 0; i < weights.rows(); ++i) {
    for (Index j = 0; table.size() > 0 && j < weights.cols(); ++j) {
      weights(i, j) += table(timm_index(grid, i, j), head);
    }
    weights.row(i) = weights.row(i).array().exp();
    weights.row(i) /= weights.row(i).sum();
  }
  return weights;
}

/// The heads' outputs before the projection: qkv (N, 3*C) -> (N, C).
inline Doubles attention(const Doubles& qkv, Index heads, const Doubles& table, beit::Size grid) {
  const Index dim = qkv.cols() / 3, head_dim = dim / heads;
  Doubles out(qkv.rows(), dim);
  for (Index head = 0; head < heads; ++head) {
    out.middleCols(head * head_dim, head_dim) =
        attention_weights(qkv, head, heads, table, grid) * qkv.middleCols(2 * dim + head * head_dim, head_dim);
  }
  return out;
}

/// torch.nn.Conv2d by its definition: x (H*W, inputs) of this size -> (H'*W', outputs); without a bias if its name is
/// empty.
inline Doubles convolution(const Doubles& x, beit::Size size, const beit::WeightScope& weights,
                           const beit::Conv2dArguments& c) {
  const auto w = weights.get(c.weight, {c.outputs, c.inputs, c.kernel, c.kernel});
  const auto b = c.bias.empty() ? beit::AlignedBuffer<float>() : weights.get(c.bias, {c.outputs});
  const Index height = (size.height + 2 * c.padding - c.kernel) / c.stride + 1;
  const Index width = (size.width + 2 * c.padding - c.kernel) / c.stride + 1;
  Doubles y(height * width, c.outputs);
  for (Index row = 0; row < height; ++row) {
    for (Index column = 0; column < width; ++column) {
      for (Index out = 0; out < c.outputs; ++out) {
        double sum = c.bias.empty() ? 0.0f : b[out];
        for (Index i = 0; i < c.inputs; ++i) {
          for (Index ky = 0; ky < c.kernel; ++ky) {
            for (Index kx = 0; kx < c.kernel; ++kx) {
              const Index from_row = row * c.stride + ky - c.padding, from_column = column * c.stride + kx - c.padding;
              if (from_row < 0 || from_column < 0 || from_row >= size.height || from_column >= size.width) continue;
              sum +=
                  x(from_row * size.width + from_column, i) * w[((out * c.inputs + i) * c.kernel + ky) * c.kernel + kx];
            }
          }
        }
        y(row * width + column, out) = c.relu ? std::max(sum, 0.0) : sum;
      }
    }
  }
  return y;
}

/// Each pixel of x (H*W / factor^2, C) as factor x factor pixels: (H*W, C).
inline Doubles upsampled(const Doubles& x, beit::Size size, Index factor) {
  Doubles y(size.area(), x.cols());
  for (Index i = 0; i < size.area(); ++i) {
    y.row(i) = x.row(i / size.width / factor * (size.width / factor) + i % size.width / factor);
  }
  return y;
}

/// torch.nn.functional.interpolate(mode="bilinear", align_corners=False): x (from.area(), C) -> (to.area(), C). Centres
/// of pixels lie at halves, and beyond the outer ones the picture is constant.
inline Doubles bilinear(const Doubles& x, beit::Size from, beit::Size to) {
  const auto weights = [](Index before, Index after) {  // (after, before)
    Doubles w(after, before);
    for (Index i = 0; i < after; ++i) {
      const double centre = (static_cast<double>(i) + 0.5) * static_cast<double>(before) / static_cast<double>(after);
      const double position = std::clamp(centre - 0.5, 0.0, static_cast<double>(before - 1));
      for (Index j = 0; j < before; ++j) w(i, j) = std::max(0.0, 1 - std::abs(position - static_cast<double>(j)));
    }
    return w;
  };
  const Doubles down = weights(from.height, to.height), across = weights(from.width, to.width);
  Doubles y(to.area(), x.cols());
  for (Index c = 0; c < x.cols(); ++c) {
    const Doubles channel = x.col(c);
    const Doubles resized =
        down * Eigen::Map<const Doubles>(channel.data(), from.height, from.width) * across.transpose();
    y.col(c) = Eigen::Map<const Eigen::VectorXd>(resized.data(), to.area());
  }
  return y;
}

inline Doubles relu(const Doubles& x) { return x.cwiseMax(0.0); }

inline Doubles doubles(const beit::Matrix& x) { return x.map().cast<double>(); }

inline double difference(const beit::Matrix& found, const Doubles& wanted) {
  return (found.map().cast<double>() - wanted).cwiseAbs().maxCoeff();
}

}  // namespace beit_test::reference
