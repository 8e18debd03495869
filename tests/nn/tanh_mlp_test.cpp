#include <beit/nn/tanh_mlp.hpp>

#include <cmath>

#include <gtest/gtest.h>

#include "../levels.hpp"
#include "../random_weights.hpp"
#include "reference.hpp"

namespace beit_test::tanh_mlp_test {

using beit::Index;
using beit::Matrix;
using reference::Doubles;

class TanhMlp : public testing::TestWithParam<beit::Isa> {};

TEST_P(TanhMlp, AgreesWithALoopInDoublePrecision) {
  const Index rows = 13, dim = 24, outputs = 7;
  const RandomWeights source(4);
  const beit::TanhMlp mlp(beit::choose_kernels(GetParam()), source.root(), dim, outputs);
  const Matrix x = numbers(source, "x", rows, dim);
  const Doubles hidden = reference::linear(x.map().cast<double>(), source.root().scope("0"), dim);
  const Doubles activated = hidden.unaryExpr([](double v) { return std::tanh(v); });
  const Doubles wanted = reference::linear(activated, source.root().scope("2"), outputs);
  for (const int threads : {1, 3}) {
    beit::ThreadPool pool(threads);
    beit::Workspace workspace(pool);
    beit::Workspace::Frame frame(workspace);
    const beit::Activations in = mlp.input(frame, rows);
    write_rows(x, in, workspace.executor());
    Matrix out(rows, outputs + 2);  // writes some columns of a wider matrix
    out.map().setConstant(5.0f);
    mlp.forward(in, workspace, out.map().leftCols(outputs));
    EXPECT_LE((out.map().leftCols(outputs).cast<double>() - wanted).cwiseAbs().maxCoeff(), 1e-6);
    EXPECT_TRUE((out.map().rightCols(2).array() == 5.0f).all());
  }
}

INSTANTIATE_TEST_SUITE_P(, TanhMlp, testing::ValuesIn(available_levels()), level_name);

}  // namespace beit_test::tanh_mlp_test
