#include <beit/io/npy.hpp>

#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../testing.hpp"

namespace beit_test::npy_test {

using beit::ArgumentError;
using beit::FileError;
using beit::Index;
using beit::Matrix;
using beit::NpyWriter;
using beit::read_npy;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class NpyTest : public ::testing::Test {
 protected:
  std::vector<float> count(std::size_t size) {
    std::vector<float> values(size);
    std::iota(values.begin(), values.end(), 0.0f);
    return values;
  }

  TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "out.npy";
};

TEST_F(NpyTest, WritesTheBytesThatNumpyWrites) {
  NpyWriter writer(path_, {3, 4});
  const std::vector<float> values = count(24);
  writer.write(std::span(values).first(12));
  EXPECT_FALSE(std::filesystem::exists(path_));
  writer.write(std::span(values).last(12));
  writer.close();
  EXPECT_EQ(file_text(path_), file_text(golden("io_count.npy")));
  EXPECT_EQ(folder_.file_count(), 1);
}

TEST_F(NpyTest, OneDimensionAsNumpyWritesIt) {
  NpyWriter writer(path_, {});
  const std::vector<float> zeros(3);
  writer.write(zeros);
  writer.close();
  EXPECT_EQ(file_text(path_), file_text(golden("io_1d.npy")));
}

TEST_F(NpyTest, RoundTrip) {
  const Matrix wanted = read_npy(golden("io_f32.npy"));
  ASSERT_EQ(wanted.rows(), 7);
  ASSERT_EQ(wanted.cols(), 111);
  NpyWriter writer(path_, {wanted.cols()});
  writer.write(wanted.map().topRows(2));
  writer.write(wanted.map().topRows(0));
  writer.write(std::span(wanted.row(2), 5 * 111));
  writer.close();
  const Matrix found = read_npy(path_);
  ASSERT_EQ(found.rows(), 7);
  ASSERT_EQ(found.cols(), 111);
  EXPECT_EQ(found.map(), wanted.map());
  EXPECT_EQ(file_text(path_), file_text(golden("io_f32.npy")));
}

TEST_F(NpyTest, Float16AsNumpyRoundsIt) {
  for (const std::string name : {"io_f32", "io_bf16"}) {
    const Matrix values = read_npy(golden(name + ".npy"));
    NpyWriter writer(path_, {values.cols()}, beit::NpyType::float16);
    writer.write(values.map().topRows(1));
    writer.write(values.map().bottomRows(values.rows() - 1));
    writer.close(beit::Sync::yes);
    EXPECT_EQ(file_text(path_), file_text(golden(name + "_as_f16.npy"))) << name;
    EXPECT_EQ(read_npy(path_).map(), values.map().unaryExpr([](float x) { return static_cast<float>(Eigen::half(x)); }))
        << name;
  }
  // Numbers halfway between two round to the even one. 65,520 is halfway to the number that would be next.
  const std::vector<float> ties{1 + 0x1p-11f, 1 + 0x3p-11f, 0x1p-25f, 0x3p-25f, 65519.0f, 65520.0f};
  NpyWriter writer(path_, {6}, beit::NpyType::float16);
  writer.write(ties);
  writer.close();
  EXPECT_THAT(file_text(path_), EndsWith(std::string("\x00\x3c\x02\x3c\x00\x00\x02\x00\xff\x7b\x00\x7c", 12)));
}

TEST_F(NpyTest, Int32) {
  NpyWriter writer(path_, {2}, beit::NpyType::int32);
  const std::vector<std::int32_t> rows{0, 8191, -3, 16777217};  // the last is no float
  writer.write(rows);
  writer.close();
  const std::string text = file_text(path_);
  EXPECT_THAT(text, HasSubstr("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 2), }"));
  const std::size_t size = rows.size() * sizeof(std::int32_t);
  EXPECT_EQ(text.substr(text.size() - size), std::string(reinterpret_cast<const char*>(rows.data()), size));
  EXPECT_THROW((void)read_npy(path_), FileError);
}

TEST_F(NpyTest, RowsThatLieApart) {
  Matrix wide(3, 5);
  for (Index i = 0; i < 15; ++i) wide.data()[i] = static_cast<float>(i);
  for (const beit::NpyType type : {beit::NpyType::float32, beit::NpyType::float16}) {
    NpyWriter writer(path_, {2}, type);
    writer.write(wide.map().middleCols(1, 2));
    writer.close();
    EXPECT_EQ(read_npy(path_).map(), wide.map().middleCols(1, 2));
  }
}

TEST_F(NpyTest, NoRows) {
  NpyWriter writer(path_, {5});
  writer.close();
  const Matrix found = read_npy(path_);
  EXPECT_EQ(found.rows(), 0);
  EXPECT_EQ(found.cols(), 5);
}

TEST_F(NpyTest, RowsWithoutElements) {
  NpyWriter writer(path_, {0});
  writer.write(Matrix(3, 0));
  writer.write(std::span<const float>());
  writer.close();
  const Matrix found = read_npy(path_);
  EXPECT_EQ(found.rows(), 3);
  EXPECT_EQ(found.cols(), 0);
}

TEST_F(NpyTest, HeaderIsAlignedForEveryShape) {
  for (const std::vector<Index>& shape : {std::vector<Index>{}, {7}, std::vector<Index>(31, 1), {12345, 12345}}) {
    NpyWriter writer(path_, shape);
    writer.close();
    const std::string text = file_text(path_);
    EXPECT_EQ(text.size() % 64, 0U);
    EXPECT_EQ(text.back(), '\n');
    EXPECT_EQ(static_cast<std::size_t>(static_cast<unsigned char>(text[8])) +
                  256 * static_cast<std::size_t>(static_cast<unsigned char>(text[9])),
              text.size() - 10);
  }
}

TEST_F(NpyTest, WithoutCloseNothingIsLeft) {
  {
    NpyWriter writer(path_, {4});
    writer.write(count(4));
  }
  EXPECT_EQ(folder_.file_count(), 0);
}

TEST_F(NpyTest, WriterErrors) {
  EXPECT_EQ(message_of<FileError>([&] { NpyWriter(folder_ / "none" / "x.npy", {4}); }),
            (folder_ / "none" / "x.npy").string() + ": can't create: No such file or directory");
  EXPECT_EQ(message_of<FileError>([&] { NpyWriter(folder_.path(), {4}); }),
            folder_.path().string() + ": is a directory, wanted a file to write");
  EXPECT_EQ(message_of<ArgumentError>([&] { NpyWriter(path_, {4, -1}); }), "NpyWriter: impossible row shape (4, -1)");
  EXPECT_EQ(
      message_of<ArgumentError>([&] {
        NpyWriter(path_, {std::numeric_limits<Index>::max(), 2});
      }),
      "NpyWriter: impossible row shape " + beit::shape_text(std::vector{std::numeric_limits<Index>::max(), Index{2}}));
  EXPECT_EQ(message_of<ArgumentError>([&] { NpyWriter(path_, std::vector<Index>(32, 1)); }),
            "NpyWriter: found 32 dimensions, wanted at most 31");
  NpyWriter writer(path_, {4});
  EXPECT_EQ(message_of<ArgumentError>([&] { writer.write(count(6)); }), "NpyWriter: found 6 numbers, wanted rows of 4");
  EXPECT_EQ(message_of<ArgumentError>([&] { writer.write(Matrix(2, 5)); }),
            "NpyWriter: rows: found shape (2, 5), wanted (2, 4)");
  EXPECT_EQ(message_of<ArgumentError>([&] { writer.write(std::vector<std::int32_t>(4)); }),
            "NpyWriter: found rows of int32, wanted floats, which the file is of");
  NpyWriter tokens(folder_ / "tokens.npy", {4}, beit::NpyType::int32);
  EXPECT_EQ(message_of<ArgumentError>([&] { tokens.write(count(4)); }),
            "NpyWriter: found rows of floats, wanted int32, which the file is of");
  writer.close();
  EXPECT_EQ(message_of<FileError>([&] { writer.write(count(4)); }), path_.string() + ": already closed or discarded");
}

TEST_F(NpyTest, ReaderRefusesOtherArrays) {
  const auto error = [](const std::string& name) {
    return message_of<FileError>([&] { (void)read_npy(golden(name)); });
  };
  EXPECT_EQ(error("io_fortran.npy"), golden("io_fortran.npy").string() + ": found Fortran order, wanted C order");
  EXPECT_EQ(error("io_f64.npy"), golden("io_f64.npy").string() + ": found dtype '<f8', wanted '<f4' or '<f2'");
  EXPECT_EQ(error("io_1d.npy"), golden("io_1d.npy").string() + ": found shape (3,), wanted two dimensions");
  EXPECT_EQ(error("io_count.npy"), golden("io_count.npy").string() + ": found shape (2, 3, 4), wanted two dimensions");
  EXPECT_THAT(error("none.npy"), StartsWith(golden("none.npy").string() + ": found nothing there, wanted "));
}

TEST_F(NpyTest, ReaderRefusesDamage) {
  const auto error = [&](const std::string& text) {
    beit_test::write_file(path_, text);
    return message_of<FileError>([&] { (void)read_npy(path_); });
  };
  const std::string good = file_text(golden("io_f32.npy"));
  EXPECT_EQ(error(""), path_.string() + ": not a .npy file of version 1.0");
  EXPECT_THAT(error(good.substr(0, 9)), HasSubstr("not a .npy file"));
  EXPECT_THAT(error("\x93NUMPY\x02" + good.substr(7)), HasSubstr("not a .npy file of version 1.0"));
  EXPECT_EQ(error(good.substr(0, 100)),
            path_.string() + ": file ends inside its header: found 100 bytes, wanted at least 128");
  EXPECT_EQ(error(good.substr(0, good.size() - 1)),
            path_.string() + ": found 3107 bytes of data, which shape (7, 111) contradicts");
  EXPECT_THAT(error(good + "x"), HasSubstr("found 3109 bytes of data"));
}

TEST_F(NpyTest, ReaderRefusesDamagedHeaders) {
  const auto read = [&](const std::string& header, std::size_t floats) {
    std::string text("\x93NUMPY\x01\x00", 8);
    text += static_cast<char>(header.size());
    text += '\0';
    write_file(path_, text + header + std::string(4 * floats, '\0'));
    return read_npy(path_);
  };
  // NumPy reads headers with other spacing and order than it writes.
  EXPECT_EQ(read("{'shape':(2,3,),'fortran_order' : False, 'descr':'<f4'}", 6).cols(), 3);
  EXPECT_EQ(read("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }\n", 0).rows(), 0);
  for (const char* const header : {
           "",
           "{",
           "{}",
           "{'descr': '<f4', 'fortran_order': False}",
           "{'descr': '<f4', 'descr': '<f4', 'shape': (2, 3)}",
           "{'descr': '<f4', 'fortran_order': False, 'shapes': (2, 3)}",
           "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999999999999)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (6)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
           "{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}",
           "{'descr': '<f4, 'fortran_order': False, 'shape': (2, 3)}",
           "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2, 3)}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
           "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} x",
       }) {
    EXPECT_THAT(message_of<FileError>([&] { read(header, 6); }), HasSubstr("damaged .npy header")) << header;
  }
  const std::string largest = std::to_string(std::numeric_limits<Index>::max() / 2 + 1);  // four times that wraps
  EXPECT_THAT(message_of<FileError>(
                  [&] { read("{'descr': '<f4', 'fortran_order': False, 'shape': (" + largest + ", 4)}", 0); }),
              HasSubstr("contradicts"));
}

}  // namespace beit_test::npy_test
