#!/usr/bin/env python3
"""Write the golden file of the transfer tests (tests/golden/transfer_probe.safetensors): scikit-learn's answers.

Made with scikit-learn 1.2.1, numpy 1.24.2 and safetensors 0.8.0; the seed is fixed:

    python golden_transfer.py ../tests
"""
import argparse
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

SEED = 20240601
CLASSES, DIM, TRAIN, TEST = 4, 12, 150, 60


def converge(x, y, weight, bias, C, class_weight):
    """Refine scikit-learn's solution, whose last digits depend on the solver, by Newton steps on its objective."""
    importance = compute_sample_weight(class_weight, y)
    inputs = np.hstack([x, np.ones((len(y), 1))])  # (n, d + 1)
    at = np.hstack([weight, bias[:, None]])  # (K, d + 1)
    penalty = np.diag(np.tile(np.append(np.full(x.shape[1], 1 / C), 0), CLASSES))
    for _ in range(20):
        p = softmax(inputs @ at.T, axis=1)
        slope = importance[:, None] * (p - np.eye(CLASSES)[y])
        gradient = (slope.T @ inputs).ravel() + penalty @ at.ravel()
        curvature = importance[:, None, None] * (p[:, :, None] * np.eye(CLASSES) - p[:, :, None] * p[:, None, :])
        hessian = np.einsum("nkl,ni,nj->kilj", curvature, inputs, inputs).reshape(penalty.shape) + penalty
        # Singular: a constant may be added to all biases. The shortest step keeps their sum.
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]
        at = at - step.reshape(at.shape)
    assert np.abs(gradient).max() < 1e-9, "not converged"
    return at[:, :-1], at[:, -1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", type=Path, help="the repository's folder of tests")
    tests = parser.parse_args().tests
    rng = np.random.default_rng(SEED)
    labels = rng.choice(CLASSES, TRAIN + TEST, p=[0.4, 0.3, 0.2, 0.1])
    centres = rng.normal(size=(CLASSES, DIM))
    spread = np.geomspace(0.2, 5, DIM)
    features = ((centres[labels] + 1.2 * rng.normal(size=(TRAIN + TEST, DIM))) * spread + 3).astype(np.float32)
    x, y, test = features[:TRAIN].astype(np.float64), labels[:TRAIN], features[TRAIN:].astype(np.float64)
    tensors = {"x": features[:TRAIN], "test": features[TRAIN:], "y": y, "test_y": labels[TRAIN:]}

    def fit(name, inputs, **options):
        head = LogisticRegression(multi_class="multinomial", solver="newton-cg", tol=1e-6, max_iter=100_000,
                                  **options).fit(inputs, y)
        weight, bias = converge(inputs, y, head.coef_, head.intercept_, head.C, head.class_weight)
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = weight, bias
        head.coef_, head.intercept_ = weight, bias
        return head

    fit("plain", x, C=0.1)
    fit("balanced", x, C=1.0, class_weight="balanced")
    scaler = StandardScaler().fit(x)
    head = fit("scaled", scaler.transform(x), C=0.5)
    tensors["scaled.logits"] = head.decision_function(scaler.transform(test))

    # DINO's protocol, in double precision.
    distance, index = NearestNeighbors(n_neighbors=7, metric="cosine", algorithm="brute").fit(x).kneighbors(test)
    votes = np.exp((1 - distance) / 0.07)
    scores = np.stack([np.where(y[index] == c, votes, 0).sum(1) for c in range(CLASSES)], axis=1)
    tensors["knn.index"] = index
    tensors["knn.cosine"] = 1 - distance
    tensors["knn.scores"] = scores / scores.sum(1, keepdims=True)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()},
              tests / "golden" / "transfer_probe.safetensors")


if __name__ == "__main__":
    main()
