#include <beit/io/text.hpp>

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace beit_test::text_test {

using beit::Index;
using beit::shape_text;
using beit::detail::printable;

TEST(TextTest, ShapesAsPythonWritesThem) {
  EXPECT_EQ(shape_text(std::vector<Index>{}), "()");
  EXPECT_EQ(shape_text(std::vector<Index>{3}), "(3,)");
  EXPECT_EQ(shape_text(std::vector<Index>{768, 760}), "(768, 760)");
  EXPECT_EQ(shape_text(std::vector<Index>(8, 1)), "(1, 1, 1, 1, 1, 1, 1, 1)");
  EXPECT_EQ(shape_text(std::vector<Index>(9, 1)), "(1, 1, 1, 1, 1, 1, 1, 1, ...)");
}

TEST(TextTest, PrintableKeepsUtf8AndReplacesControlCharacters) {
  EXPECT_EQ(printable("head.weight"), "head.weight");
  EXPECT_EQ(printable("\xC3\xBC"), "\xC3\xBC");
  EXPECT_EQ(printable(std::string("a\nb\0c\x1B\x7F", 7)), "a?b?c??");
}

TEST(TextTest, PrintableCutsBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdef", 5), "abcde...");
  EXPECT_EQ(printable("ab\xC3\xBC"
                      "d",
                      3),
            "ab...");  // u umlaut is two bytes
  EXPECT_EQ(printable("ab\xC3\xBC"
                      "d",
                      4),
            "ab\xC3\xBC...");
  EXPECT_EQ(printable(std::string(10, '\x80'), 4), "...");
}

}  // namespace beit_test::text_test
