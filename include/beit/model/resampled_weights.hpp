// Resamples the positions of a model that was trained at another image size.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/image/filters.hpp>
#include <beit/image/interpolation.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/relative_position.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The two entries of the old table of relative positions, along one axis, between which an entry of the new one lies.
struct TableTap {
  Index left, right;
  float to_left, to_right;  // distances to them, not both 0
};

/// Both sides of a table are odd: 2G-1. The old entries lie at 0, +-1, +-(1+q), +-(1+q+q^2) ..., with q such that they
/// reach as far as the new ones, which lie at whole numbers. Beyond its ends the old table is constant.
inline std::vector<TableTap> table_taps(Index old_side, Index new_side) {
  const Index reach = old_side / 2, wanted = new_side / 2;
  double left = 1.01, right = 1.5, q = 0;
  while (right - left > 1e-6) {
    q = (left + right) / 2;
    const double sum = (1 - std::pow(q, static_cast<double>(reach))) / (1 - q);
    (sum > static_cast<double>(wanted) ? right : left) = q;
  }
  std::vector<float> points(static_cast<std::size_t>(old_side), 0.0f);  // (old_side), ascending
  double distance = 1;
  for (Index i = 1; i <= reach; ++i) {
    points[static_cast<std::size_t>(reach + i)] = static_cast<float>(distance);
    points[static_cast<std::size_t>(reach - i)] = -static_cast<float>(distance);
    distance += std::pow(q, static_cast<double>(i));
  }
  std::vector<TableTap> taps(static_cast<std::size_t>(2 * wanted + 1));
  for (Index i = -wanted; i <= wanted; ++i) {
    const float x = static_cast<float>(i);
    const Index above = std::lower_bound(points.begin(), points.end(), x) - points.begin();
    TableTap tap{std::clamp<Index>(above - 1, 0, old_side - 1), std::min(above, old_side - 1), 0, 0};
    tap.to_left = std::max(0.0f, x - points[static_cast<std::size_t>(tap.left)]);
    tap.to_right = std::max(0.0f, points[static_cast<std::size_t>(tap.right)] - x);
    if (tap.to_left == 0 && tap.to_right == 0) tap.to_left = tap.to_right = 1;
    taps[static_cast<std::size_t>(wanted + i)] = tap;
  }
  return taps;
}

/// Resamples a table of relative positions (R, A) from one grid of patches to another:
/// timm.layers.resize_rel_pos_bias_table without scipy, in its float arithmetic. The three rows of the class token
/// don't change.
inline AlignedBuffer<float> resample_table(const AlignedBuffer<float>& table, Index heads, Size from, Size to) {
  const Index old_height = 2 * from.height - 1, old_width = 2 * from.width - 1;
  const Index height = 2 * to.height - 1, width = 2 * to.width - 1;
  const std::vector<TableTap> rows = table_taps(old_height, height), columns = table_taps(old_width, width);
  AlignedBuffer<float> result((height * width + 3) * heads);
  float* out = result.data();
  for (const TableTap& y : rows) {
    for (const TableTap& x : columns) {
      const float all = (y.to_left + y.to_right) * (x.to_left + x.to_right);
      const auto at = [&](Index row, Index column) { return table.data() + (row * old_width + column) * heads; };
      const float* const corners[]{at(y.left, x.left), at(y.left, x.right), at(y.right, x.left), at(y.right, x.right)};
      const float weights[]{y.to_right * x.to_right, y.to_right * x.to_left, y.to_left * x.to_right,
                            y.to_left * x.to_left};
      for (Index head = 0; head < heads; ++head) {
        float sum = 0;
        for (std::size_t i = 0; i < 4; ++i) sum += corners[i][head] * weights[i];
        *out++ = sum / all;
      }
    }
  }
  std::copy_n(table.data() + old_height * old_width * heads, 3 * heads, out);
  return result;
}

/// For each of `wanted` positions, the weights of the `count` old ones: (wanted, count). The filter is that of torch's
/// interpolate, bicubic with antialiasing, which is Pillow's.
inline Matrix bicubic_weights(Index count, Index wanted) {
  const double scale = static_cast<double>(count) / static_cast<double>(wanted), filter_scale = std::max(scale, 1.0);
  const double support = filter_support(Interpolation::bicubic) * filter_scale;
  Matrix weights(wanted, count);
  for (Index i = 0; i < wanted; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const Index first = std::max(static_cast<Index>(centre - support + 0.5), Index{0});
    const Index last = std::min(static_cast<Index>(centre + support + 0.5), count);
    std::vector<double> exact(static_cast<std::size_t>(count), 0.0);
    double sum = 0;
    for (Index x = first; x < last; ++x) {
      const double position = static_cast<double>(x) - centre + 0.5;
      sum += exact[static_cast<std::size_t>(x)] = filter_value(Interpolation::bicubic, position / filter_scale);
    }
    for (Index x = 0; x < count; ++x) weights(i, x) = static_cast<float>(exact[static_cast<std::size_t>(x)] / sum);
  }
  return weights;
}

/// Resamples absolute positions (1 + Gh*Gw, C) from one grid to another: timm.layers.resample_abs_pos_embed. The class
/// token's position doesn't change.
inline AlignedBuffer<float> resample_positions(const AlignedBuffer<float>& positions, Index dim, Size from, Size to) {
  const Matrix rows = bicubic_weights(from.height, to.height), columns = bicubic_weights(from.width, to.width);
  const auto add = [](const float* summand, float weight, Index size, float* sum) {
    for (Index i = 0; i < size; ++i) sum[i] += weight * summand[i];
  };
  const Index width = to.width * dim;
  Matrix narrow(from.height, width);  // each old row at the new width
  std::fill_n(narrow.data(), narrow.size(), 0.0f);
  for (Index y = 0; y < from.height; ++y) {
    for (Index x = 0; x < to.width; ++x) {
      for (Index i = 0; i < from.width; ++i) {
        add(positions.data() + (1 + y * from.width + i) * dim, columns(x, i), dim, narrow.row(y) + x * dim);
      }
    }
  }
  AlignedBuffer<float> result((1 + to.area()) * dim);
  std::copy_n(positions.data(), dim, result.data());
  std::fill_n(result.data() + dim, to.height * width, 0.0f);
  for (Index y = 0; y < to.height; ++y) {
    for (Index i = 0; i < from.height; ++i) add(narrow.row(i), rows(y, i), width, result.data() + dim + y * width);
  }
  return result;
}

/// The entries of an axis whose weighted sum is an entry of another one.
struct AxisTaps {
  std::array<Index, 4> at;
  std::array<float, 4> weights;
};

/// The taps of torch's interpolate without align_corners and antialiasing: bilinear, or bicubic. `excess` is what the
/// caller of interpolate adds to the new size before it divides by the old one to give a scale_factor.
inline std::vector<AxisTaps> interpolate_taps(Index from, Index to, bool bicubic, double excess = 0) {
  const auto scale = static_cast<float>(static_cast<double>(from) / (static_cast<double>(to) + excess));
  std::vector<AxisTaps> result;
  for (Index i = 0; i < to; ++i) {
    float x = (static_cast<float>(i) + 0.5f) * scale - 0.5f;
    if (!bicubic) x = std::max(x, 0.0f);
    const float first = std::floor(x), t = x - first;
    const auto at = [&](Index k) { return std::clamp<Index>(static_cast<Index>(first) + k, 0, from - 1); };
    if (bicubic) {
      constexpr float a = -0.75f;
      const auto near = [](float d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
      const auto far = [](float d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
      result.push_back({{at(-1), at(0), at(1), at(2)}, {far(t + 1), near(t), near(1 - t), far(2 - t)}});
    } else {
      result.push_back({{at(0), at(1), 0, 0}, {1 - t, t, 0, 0}});
    }
  }
  return result;
}

/// Computes torch's interpolate of a picture (from.height, from.width, channels).
inline void interpolate(const float* in, Size from, Size to, Index channels, bool bicubic, float* out,
                        double excess = 0) {
  const std::vector<AxisTaps> rows = interpolate_taps(from.height, to.height, bicubic, excess);
  const std::vector<AxisTaps> columns = interpolate_taps(from.width, to.width, bicubic, excess);
  for (const AxisTaps& row : rows) {
    for (const AxisTaps& column : columns) {
      std::fill_n(out, channels, 0.0f);
      for (std::size_t y = 0; y < 4; ++y) {
        for (std::size_t x = 0; x < 4; ++x) {
          const float weight = row.weights[y] * column.weights[x];
          const float* const entry = in + (row.at[y] * from.width + column.at[x]) * channels;
          if (weight == 0) continue;
          for (Index c = 0; c < channels; ++c) out[c] += weight * entry[c];
        }
      }
      out += channels;
    }
  }
}

/// Resamples a table as transformers' BeitRelativePositionBias does, which takes its rows for columns: that changes the
/// tables of grids that aren't square even at their own size.
inline AlignedBuffer<float> resample_table_of_transformers(const AlignedBuffer<float>& table, Index heads, Size from,
                                                           Size to) {
  const Size old{2 * from.width - 1, 2 * from.height - 1}, wanted{2 * to.height - 1, 2 * to.width - 1};
  AlignedBuffer<float> result((wanted.area() + 3) * heads);
  interpolate(table.data(), old, wanted, heads, false, result.data());
  std::copy_n(table.data() + old.area() * heads, 3 * heads, result.data() + wanted.area() * heads);
  return result;
}

/// Resamples absolute positions by torch's interpolate, as transformers' BeitEmbeddings does. `excess` as for
/// interpolate_taps.
inline AlignedBuffer<float> interpolate_positions(const AlignedBuffer<float>& positions, Index dim, Size from, Size to,
                                                  double excess) {
  AlignedBuffer<float> result((1 + to.area()) * dim);
  std::copy_n(positions.data(), dim, result.data());
  interpolate(positions.data() + dim, from, to, dim, true, result.data() + dim, excess);
  return result;
}

}  // namespace detail

/// The library whose way of resampling positions is followed. DINO's code, which BEiT v2's tokenizer has for absolute
/// positions, is transformers' but for a scale_factor of (new + 0.1) / old.
enum class Resampling { timm, transformers, dino };

/// The parameters of a model trained with the grid of patches `from`, adapted to the grid `to` as by timm's
/// Beit.set_input_size, by transformers or by DINO: it resamples tables of relative positions and absolute positions,
/// and passes on the rest. The source, which has timm's names, perhaps below a prefix, must outlive it.
class ResampledWeights final : public WeightSource {
 public:
  ResampledWeights(const WeightSource& source, Size from, Size to, Resampling way = Resampling::timm)
      : source_(&source), from_(from), to_(to), way_(way) {}

  bool has(const std::string& name) const override { return source_->has(name); }

  std::string where(const std::string& name) const override { return source_->where(name); }

  std::vector<Index> shape(const std::string& name) const override {
    std::vector<Index> shape = source_->shape(name);
    if (from_ == to_) return shape;
    if (name.ends_with(table_name) && shape.size() == 2) shape[0] = kernels::relative_positions(to_);
    if (name.ends_with(positions_name) && shape.size() == 3) shape[1] = 1 + to_.area();
    return shape;
  }

  void read(const std::string& name, std::span<const Index> shape, Index begin, Index count,
            float* out) const override {
    const bool table = name.ends_with(table_name) && shape.size() == 2;
    const bool positions = name.ends_with(positions_name) && shape.size() == 3;
    const bool same = from_ == to_ && (way_ == Resampling::timm || from_.height == from_.width || !table);
    if (same || (!table && !positions)) return source_->read(name, shape, begin, count, out);
    std::vector<Index> old(shape.begin(), shape.end());
    if (table) old[0] = kernels::relative_positions(from_);
    if (positions) old[1] = 1 + from_.area();
    if (count == 0) return source_->read(name, old, 0, 0, out);  // only checks the shape
    const AlignedBuffer<float> values = source_->get(name, old);
    const AlignedBuffer<float> resampled = resample(values, table, old.back());
    std::copy_n(resampled.data() + begin, count, out);
  }

 private:
  AlignedBuffer<float> resample(const AlignedBuffer<float>& values, bool table, Index columns) const {
    const bool timm = way_ == Resampling::timm;
    if (table && timm) return detail::resample_table(values, columns, from_, to_);
    if (table) return detail::resample_table_of_transformers(values, columns, from_, to_);
    if (timm) return detail::resample_positions(values, columns, from_, to_);
    return detail::interpolate_positions(values, columns, from_, to_, way_ == Resampling::dino ? 0.1 : 0);
  }

  static constexpr std::string_view table_name = "relative_position_bias_table", positions_name = "pos_embed";

  const WeightSource* source_;
  Size from_, to_;
  Resampling way_;
};

}  // namespace beit::inline BEIT_ABI
