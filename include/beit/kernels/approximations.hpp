// Coefficients of the polynomials that the vector levels evaluate. They were fitted in double precision by reweighted
// least squares (Lawson's method) to the errors stated; rounding them to float adds less than a float's last place.
#pragma once

#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// exp(r) = 1 + r + r^2 * (c0 + c1 r + ... + c4 r^4) for |r| <= ln(2)/2, relative error 3.3e-9.
inline constexpr float exp_coefficients[5] = {0.49999994f, 0.166665152f, 0.041668456f, 0.00836941879f, 0.00138131448f};
inline constexpr float log2_e = 1.44269504089f;
/// ln(2) as a sum of two floats: the first has so few bits that its product with an exponent is exact.
inline constexpr float ln2_high = 0.693359375f;
inline constexpr float ln2_low = -2.12194440e-4f;
/// Smaller arguments of exp are replaced by this one, whose exp is 1.6e-38.
inline constexpr float exp_lowest = -87.0f;

/// erfc(z) = exp(-z^2) * t * (c0 + c1 t + ... + c6 t^6), t = 1 / (1 + erfc_p * z), for z >= 0: formula 7.1.26 of
/// Abramowitz and Stegun with more terms; max(z, 0.2) * error is at most 7.3e-10.
inline constexpr float erfc_p = 0.34f;
inline constexpr float erfc_coefficients[7] = {0.180305938f, 0.303776103f, -0.281745857f, 1.20361953f,
                                               -1.24355477f, 1.08375572f,  -0.246156661f};
inline constexpr float sqrt_half = 0.70710678118654752440f;

/// For results that are then rounded to bfloat16 (by up to 2^-9 of themselves) or to a byte: 2^r = c0 + c1 r + c2 r^2 +
/// c3 r^3 for |r| <= 1/2, relative error 7.5e-5.
inline constexpr float exp2_rounded_coefficients[4] = {0.99992807f, 0.69326103f, 0.24261121f, 0.05517138f};
/// gelu(x) = x * (1/2 + y * (c0 + c1 y^2 + ... + c7 y^14)), y = x within +-gelu_rounded_limit; the error is at most
/// 9e-5, and where x > 0 at most 2.1e-4 of the result.
inline constexpr float gelu_rounded_limit = 4.2f;
inline constexpr float gelu_rounded_coefficients[8] = {0.398465872f,     -0.0655282065f,  0.00929823052f,
                                                       -0.000950657763f, 6.68907378e-05f, -3.03793445e-06f,
                                                       7.94134962e-08f,  -9.01754782e-10f};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI
