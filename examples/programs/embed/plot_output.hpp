// Plots embeddings, while they are written to a file or from a folder of shards.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <beit/beit.hpp>

#include "../inputs/item.hpp"
#include "../output.hpp"
#include "../paths.hpp"
#include "../plot.hpp"
#include "../row_lines.hpp"
#include "outputs.hpp"
#include "shard_folder.hpp"

namespace programs {

/// Selects rows evenly without knowing their number beforehand: every n-th row, where n doubles when there are too
/// many.
class RowSample {
 public:
  explicit RowSample(beit::Index dim) : dim_(dim) {}

  /// Offers a row. label() -> std::string is called only if the row is selected.
  template <typename Label>
  void add(const Label& label, const float* row) {
    if (seen_++ % step_ != 0) return;
    if (labels_.size() == max_rows) {
      thin_out();
      if ((seen_ - 1) % step_ != 0) return;
    }
    labels_.push_back(label());
    rows_.insert(rows_.end(), row, row + dim_);
  }

  beit::ConstRows rows() const {
    return Eigen::Map<const beit::RowMajorMatrix>(rows_.data(), static_cast<beit::Index>(labels_.size()), dim_);
  }
  const std::vector<std::string>& labels() const { return labels_; }

 private:
  static constexpr std::size_t max_rows = 4000;  // about as many dots as a picture can show; must be even

  void thin_out() {
    const auto dim = static_cast<std::size_t>(dim_);
    for (std::size_t i = 0; i < max_rows / 2; ++i) {
      labels_[i] = labels_[2 * i];
      std::copy_n(rows_.begin() + static_cast<std::ptrdiff_t>(2 * i * dim), dim,
                  rows_.begin() + static_cast<std::ptrdiff_t>(i * dim));
    }
    labels_.resize(max_rows / 2);
    rows_.resize(max_rows / 2 * dim);
    step_ *= 2;
  }

  beit::Index dim_;
  std::size_t seen_ = 0, step_ = 1;
  std::vector<std::string> labels_;
  std::vector<float> rows_;  // (labels_.size(), dim)
};

/// Writes the plot, unless there are no rows.
inline void write_plot(const RowSample& sample, beit::AtomicFile& file) {
  if (sample.labels().empty()) return;
  file.write(embedding_plot(sample.rows(), sample.labels()));
  file.close();
}

/// Passes everything on to another output, and writes a plot after the last image.
class PlotOutput : public Output {
 public:
  PlotOutput(Output& next, const std::string& path, beit::Index dim)
      : next_(next), file_(path_of(path)), sample_(dim) {}

  void write(const Item& item, const std::optional<NumberRow>& row) override {
    next_.write(item, row);
    if (row) sample_.add([&item] { return item.label; }, std::get<std::span<const float>>(*row).data());
  }
  void close() override {
    next_.close();
    write_plot(sample_, file_);
  }

 private:
  Output& next_;
  beit::AtomicFile file_;
  RowSample sample_;
};

/// Plots the first `shards` shards of a folder, which must be done and have one vector per image.
inline void plot_shards(const ShardFolder& folder, std::int64_t shards, const std::string& path) {
  beit::AtomicFile file(path_of(path));
  std::optional<RowSample> sample;
  beit::AlignedBuffer<float> buffer;
  for (std::int64_t shard = 0; shard < shards; ++shard) {
    const beit::MappedNpy rows(folder.embeddings(shard));
    if (!sample) sample.emplace(rows.cols());
    RowLines lines(folder.metadata(shard), rows.rows());
    for (beit::Index row = 0; row < rows.rows(); ++row) {
      lines.next();
      sample->add([&lines] { return lines.text("label").value_or(""); }, rows.read(row, 1, buffer).data());
    }
  }
  if (sample) write_plot(*sample, file);
}

}  // namespace programs
