"""Train a 64-300-100-10 network on scikit-learn's digits; write it and its samples for `tercet compress`."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

x, y = load_digits(return_X_y=True)
with threadpool_limits(1):  # products this small are slower in threads
    model = MLPClassifier((300, 100), random_state=0).fit(x[:1400] / 16, y[:1400])
arrays = {f"W{n}": w for n, w in enumerate(model.coefs_)} | {f"b{n}": b for n, b in enumerate(model.intercepts_)}
np.savez("model.npz", **arrays)
np.savez("data.npz", x=x[:1400] / 16, y=y[:1400], test_x=x[1400:] / 16, test_y=y[1400:])
