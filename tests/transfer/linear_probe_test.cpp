// Compares LinearProbe with scikit-learn's LogisticRegression, and its gradient with loops in double precision.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <beit/transfer/cross_validation.hpp>
#include <beit/transfer/linear_probe.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "testing.hpp"

namespace beit_test::linear_probe_test {

using beit::Index;
using beit::LinearProbe;
using beit::LinearProbeOptions;
using beit::Matrix;
using testing::HasSubstr;

constexpr Index classes = 4, dim = 12;

class Probe : public testing::Test {
 protected:
  Golden golden;
  Matrix x = golden.matrix("x"), test = golden.matrix("test");
  std::vector<Index> y = golden.labels("y");

  void expect_weights(const LinearProbe& probe, const std::string& name) {
    EXPECT_TRUE(probe.converged());
    const std::vector<double> weight = golden.doubles(name + ".weight"), bias = golden.doubles(name + ".bias");
    for (Index k = 0; k < classes; ++k) {
      for (Index j = 0; j < dim; ++j) {
        EXPECT_NEAR(probe.weight()(k, j), weight[static_cast<std::size_t>(k * dim + j)], 2e-5) << k << ", " << j;
      }
      EXPECT_NEAR(probe.bias()[static_cast<std::size_t>(k)], bias[static_cast<std::size_t>(k)], 1e-4) << k;
    }
  }
};

TEST_F(Probe, HasScikitLearnsCoefficients) { expect_weights(LinearProbe(x, y, classes, {.C = 0.1}), "plain"); }

TEST_F(Probe, HasScikitLearnsCoefficientsWithClassWeights) {
  LinearProbeOptions options;
  options.class_weights = beit::balanced_class_weights(y, classes);
  expect_weights(LinearProbe(x, y, classes, options), "balanced");
}

TEST_F(Probe, FoldsTheScalingIntoTheWeights) {
  const LinearProbe probe(x, y, classes, {.C = 0.5, .standardise = true});
  const Matrix logits = probe.logits(test);
  const std::vector<double> wanted = golden.doubles("scaled.logits");
  for (Index i = 0; i < logits.size(); ++i) {
    EXPECT_NEAR(logits.data()[i], wanted[static_cast<std::size_t>(i)], 1e-3) << i;
  }
}

TEST_F(Probe, GoesOnFromAnother) {
  const LinearProbe start(x, y, classes, {.C = 0.01});
  expect_weights(LinearProbe(x, y, start, {.C = 0.1}), "plain");
  const LinearProbe trained(x, y, classes, {.C = 0.1}), same(x, y, trained, {.C = 0.1, .max_evaluations = 1});
  EXPECT_TRUE(same.converged()) << "at once";
  EXPECT_EQ(same.bias(), trained.bias());
}

/// A pool that throws at a call in the middle of a search.
struct BreakingPool {
  int calls = 0;
  int size() const { return 2; }
  template <typename Task>
  void parallel_for(Index count, const Task& task) {
    if (++calls == 40) throw std::runtime_error("broken");
    for (Index i = 0; i < count; ++i) task(i);
  }
};

TEST_F(Probe, AFailureOfTheWorkIsNoEndOfTheSearch) {
  BreakingPool pool;
  EXPECT_THAT([&] { LinearProbe(x, y, classes, {}, pool); }, testing::ThrowsMessage<std::runtime_error>("broken"));
  EXPECT_EQ(pool.calls, 40);
}

TEST_F(Probe, AColumnThatIsConstantChangesNothing) {
  Matrix wide(x.rows(), dim + 1);
  wide.map() << x.map(), Eigen::VectorXf::Constant(x.rows(), 5.0f);
  const LinearProbe narrow(x, y, classes, {.standardise = true}), probe(wide, y, classes, {.standardise = true});
  for (Index k = 0; k < classes; ++k) {
    EXPECT_EQ(probe.weight()(k, dim), 0.0f);
    for (Index j = 0; j < dim; ++j) EXPECT_NEAR(probe.weight()(k, j), narrow.weight()(k, j), 1e-4);
  }
}

/// Computes the gradient of the objective in double precision by its definition.
TEST_F(Probe, EndsWhereTheGradientIsZero) {
  const double C = 2;
  const LinearProbe probe(x, y, classes, {.C = C});
  std::vector<double> gradient(static_cast<std::size_t>(classes * (dim + 1)));
  for (Index i = 0; i < x.rows(); ++i) {
    std::vector<double> p(classes);
    double sum = 0;
    for (Index k = 0; k < classes; ++k) {
      double logit = probe.bias()[static_cast<std::size_t>(k)];
      for (Index j = 0; j < dim; ++j) logit += static_cast<double>(probe.weight()(k, j)) * x(i, j);
      sum += p[static_cast<std::size_t>(k)] = std::exp(logit);
    }
    for (Index k = 0; k < classes; ++k) {
      const double slope = p[static_cast<std::size_t>(k)] / sum - (y[static_cast<std::size_t>(i)] == k ? 1 : 0);
      for (Index j = 0; j < dim; ++j) gradient[static_cast<std::size_t>(k * (dim + 1) + j)] += slope * x(i, j);
      gradient[static_cast<std::size_t>(k * (dim + 1) + dim)] += slope;
    }
  }
  for (Index k = 0; k < classes; ++k) {
    for (Index j = 0; j <= dim; ++j) {
      const double penalty = j < dim ? static_cast<double>(probe.weight()(k, j)) / C : 0;
      EXPECT_NEAR(gradient[static_cast<std::size_t>(k * (dim + 1) + j)] + penalty, 0, 5e-3) << k << ", " << j;
    }
  }
}

TEST_F(Probe, IsTheSameForAnyNumberOfThreads) {
  beit::ThreadPool one(1), three(3);
  const LinearProbe a(x, y, classes, {}, one), b(x, y, classes, {}, three);
  EXPECT_EQ(a.weight().map(), b.weight().map());
  EXPECT_EQ(a.bias(), b.bias());
}

TEST_F(Probe, PredictsTheLargestLogit) {
  const LinearProbe probe(x, y, classes);
  const Matrix logits = probe.logits(test);
  const std::vector<Index> predicted = probe.predict(test);
  ASSERT_EQ(static_cast<Index>(predicted.size()), test.rows());
  for (Index i = 0; i < test.rows(); ++i) {
    EXPECT_EQ(predicted[static_cast<std::size_t>(i)],
              std::max_element(logits.row(i), logits.row(i) + classes) - logits.row(i));
  }
}

TEST_F(Probe, SaysWhatEndedItBeforeTheTolerance) {
  EXPECT_FALSE(LinearProbe(x, y, classes, {.C = 100, .max_evaluations = 3}).converged());
  EXPECT_FALSE(LinearProbe(x, y, classes, {.tolerance = 1e-30}).converged());
}

TEST_F(Probe, RefusesWhatItCantUse) {
  const auto message = [](const auto& action) { return message_of<beit::ArgumentError>(action); };
  std::vector<Index> wrong = y;
  wrong[3] = classes;
  Matrix broken = x;
  broken(7, 2) = std::numeric_limits<float>::quiet_NaN();
  const std::vector<Index> none;
  EXPECT_THAT(message([&] { LinearProbe(x, wrong, classes); }), HasSubstr("found the label 4, wanted 0 to 3"));
  EXPECT_THAT(message([&] { LinearProbe(broken, y, classes); }), HasSubstr("found nan at (7, 2)"));
  EXPECT_THAT(message([&] { LinearProbe(x, none, classes); }), HasSubstr("found 0 labels, wanted 150"));
  EXPECT_THAT(message([&] { LinearProbe(x, y, 1); }), HasSubstr("1 classes, wanted at least 2"));
  EXPECT_THAT(message([&] { LinearProbe(Matrix(0, dim), none, classes); }), HasSubstr("(0, 12)"));
  EXPECT_THAT(message([&] { LinearProbe(x, y, classes, {.C = 0}); }), HasSubstr("positive"));
  EXPECT_THAT(message([&] { LinearProbe(x, y, classes, {.class_weights = {1, 1}}); }), HasSubstr("2 class weights"));
  EXPECT_THAT(message([&] { LinearProbe(x, y, classes, {.class_weights = {1, 1, 1, -1}}); }), HasSubstr("-1"));
  EXPECT_THAT(message([&] { (void)LinearProbe(x, y, classes).logits(Matrix(2, 3)); }), HasSubstr("(2, 3)"));
  const LinearProbe other(Matrix(x.map().leftCols(3)), y, classes);
  EXPECT_THAT(message([&] { LinearProbe(x, y, other); }), HasSubstr("found shape (150, 12), wanted (150, 3)"));
}

}  // namespace beit_test::linear_probe_test
