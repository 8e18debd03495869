#include "pca.hpp"

#include <algorithm>
#include <cmath>

#include <Eigen/Eigenvalues>

#include <beit/core/error.hpp>

namespace programs {

PrincipalComponents principal_components(const beit::ConstRows& rows, beit::Index count) {
  const beit::Index n = rows.rows(), dim = rows.cols();
  if (n == 0 || dim == 0) throw beit::ArgumentError("principal components: found no numbers");
  if (!rows.allFinite()) throw beit::ArgumentError("principal components: found a number that is not finite");
  Eigen::MatrixXd x = rows.cast<double>();
  x.rowwise() -= x.colwise().mean().eval();

  // The smaller of the two products has all the non-zero eigenvalues.
  const bool tall = n > dim;
  Eigen::MatrixXd product;
  if (tall) {
    product.noalias() = x.transpose() * x;
  } else {
    product.noalias() = x * x.transpose();
  }
  const double total = product.trace();
  PrincipalComponents result{Eigen::MatrixXd::Zero(n, count), std::vector<double>(static_cast<std::size_t>(count))};
  if (total <= 0) return result;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(product);  // eigenvalues increase
  for (beit::Index i = 0; i < std::min(count, product.rows()); ++i) {
    const beit::Index from_end = product.rows() - 1 - i;
    const double value = std::max(solver.eigenvalues()[from_end], 0.0);
    const auto vector = solver.eigenvectors().col(from_end);
    auto scores = result.scores.col(i);
    if (tall) {
      scores.noalias() = x * vector;
    } else {
      scores = vector * std::sqrt(value);
    }
    beit::Index farthest = 0;
    scores.cwiseAbs().maxCoeff(&farthest);
    if (scores[farthest] < 0) scores = -scores;
    result.variance[static_cast<std::size_t>(i)] = value / total;
  }
  return result;
}

}  // namespace programs
