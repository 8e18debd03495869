// Evaluated in double precision, the polynomials have at most the errors that their comments state plus those that
// rounding their coefficients to float adds.
#include <beit/kernels/approximations.hpp>

#include <algorithm>
#include <cmath>
#include <span>

#include <gtest/gtest.h>

namespace beit_test::approximations_test {

using namespace beit::kernels;

double polynomial(std::span<const float> coefficients, double x) {
  double y = 0;
  for (auto c = coefficients.rbegin(); c != coefficients.rend(); ++c) y = y * x + static_cast<double>(*c);
  return y;
}

/// The change of the polynomial when each coefficient changes by half a unit in its last place.
double rounding(std::span<const float> coefficients, double x) {
  double y = 0;
  for (auto c = coefficients.rbegin(); c != coefficients.rend(); ++c) {
    y = y * std::abs(x) + std::abs(static_cast<double>(*c)) * 0x1p-24;
  }
  return y;
}

/// The maximum of |error(x)| - allowed(x) over 100,000 steps from `from` to `to`.
template <typename Error, typename Allowed>
double largest(double from, double to, const Error& error, const Allowed& allowed) {
  double found = 0;
  for (int i = 0; i <= 100'000; ++i) {
    const double x = from + (to - from) * i / 100'000;
    found = std::max(found, std::abs(error(x)) - allowed(x));
  }
  return found;
}
template <typename Error>
double largest(double from, double to, const Error& error) {
  return largest(from, to, error, [](double) { return 0.0; });
}

double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

TEST(Approximations, Exp) {
  const double half = std::log(2.0) / 2;
  const auto error = [](double r) { return (1 + r + r * r * polynomial(exp_coefficients, r)) / std::exp(r) - 1; };
  const auto rounded = [](double r) { return r * r * rounding(exp_coefficients, r) / std::exp(r); };
  EXPECT_LE(largest(-half, half, error, rounded), 3.3e-9);
  EXPECT_LE(largest(-half, half, error), 6e-9);  // a tenth of a float's last place
}

TEST(Approximations, Erfc) {
  const auto t = [](double z) { return 1 / (1 + static_cast<double>(erfc_p) * z); };
  const auto error = [&](double z) {
    return std::max(z, 0.2) * (std::exp(-z * z) * t(z) * polynomial(erfc_coefficients, t(z)) - std::erfc(z));
  };
  const auto rounded = [&](double z) {
    return std::max(z, 0.2) * std::exp(-z * z) * t(z) * rounding(erfc_coefficients, t(z));
  };
  EXPECT_LE(largest(0, 6, error, rounded), 7.3e-10);
  EXPECT_LE(largest(0, 6, error), 1.2e-8);  // a fifth of a float's last place
}

TEST(Approximations, Exp2ForWhatIsRounded) {
  EXPECT_LE(largest(-0.5, 0.5, [](double r) { return polynomial(exp2_rounded_coefficients, r) / std::exp2(r) - 1; }),
            7.5e-5);
}

TEST(Approximations, GeluForWhatIsRounded) {
  const auto found = [](double x) {
    const double limit = static_cast<double>(gelu_rounded_limit), y = std::clamp(x, -limit, limit);
    return x * (0.5 + y * polynomial(gelu_rounded_coefficients, y * y));
  };
  EXPECT_LE(largest(-9, 9, [&](double x) { return found(x) - gelu(x); }), 9e-5);
  EXPECT_LE(largest(1e-6, 9, [&](double x) { return found(x) / gelu(x) - 1; }), 2.1e-4);
}

TEST(Approximations, TwoPartsOfTheLogarithm) {
  EXPECT_NEAR(static_cast<double>(ln2_high) + static_cast<double>(ln2_low), std::log(2.0), 1e-10);
  // Exact: nine bits of the first part times eight of an exponent.
  for (int exponent = -126; exponent <= 127; ++exponent) {
    EXPECT_EQ(static_cast<float>(exponent) * ln2_high, exponent * static_cast<double>(ln2_high));
  }
  EXPECT_NEAR(static_cast<double>(log2_e) * std::log(2.0), 1, 1e-7);
  EXPECT_NEAR(static_cast<double>(sqrt_half), std::sqrt(0.5), 1e-7);
}

}  // namespace beit_test::approximations_test
