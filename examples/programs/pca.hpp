// Principal components.
#pragma once

#include <vector>

#include <Eigen/Core>

#include <beit/core/matrix.hpp>

namespace programs {

struct PrincipalComponents {
  Eigen::MatrixXd scores;        ///< (n, k): where each row lies along the components.
  std::vector<double> variance;  ///< (k): shares of the whole variance, largest first; 0 where rows are all the same.
};

/// The first `count` principal components of rows (n, C). The row farthest along a component has a positive score, so
/// that the result is the same everywhere. Components that rows don't have (n or C is less than `count`) are 0.
/// ArgumentError for no rows, or numbers that aren't finite.
PrincipalComponents principal_components(const beit::ConstRows& rows, beit::Index count);

}  // namespace programs
