// Computes principal components.
#pragma once

#include <vector>

#include <Eigen/Core>

#include <beit/core/matrix.hpp>

namespace programs {

struct PrincipalComponents {
  Eigen::MatrixXd scores;        ///< (n, k): where each row lies along the components.
  std::vector<double> variance;  ///< (k): shares of the total variance, largest first; 0 if all rows are the same.
};

/// Computes the first `count` principal components of rows (n, C). The sign of a component is such that the largest of
/// its scores by magnitude is positive, so that the result is the same everywhere. If n or C is less than `count`, the
/// remaining components are 0. Throws ArgumentError if there are no rows, or if a number isn't finite.
PrincipalComponents principal_components(const beit::ConstRows& rows, beit::Index count);

}  // namespace programs
