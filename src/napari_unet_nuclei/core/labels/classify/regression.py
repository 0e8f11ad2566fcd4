"""Multinomial logistic regression: probabilities of classes from a few examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

STRENGTH = 1.0
"""Weight of the examples against small coefficients; 0.1 and 10 were no better on real nuclei."""

SQUARES = 0.5
"""Weight of squares beside the values. They let a class lie between two others; with this weight they cost nothing
where none does."""

FAR_OFF = 4.0
"""Standard deviations."""

STEPS = 500

EXACT, FAST = 1e-10, 1e-6
"""Change of the loss, relative to it, at which the fit ends."""


@dataclass(frozen=True, eq=False)
class Scale:
    """How values are spread over the examples, by which they are standardised.

    Attributes
    ----------
    mean, deviation : ndarray, shape (columns,)
        Over the known values of the examples, in which each class has the same weight. A column that is the same in all
        of them has the deviation 1.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @staticmethod
    def of(values: NDArray[np.float64], classes: NDArray[np.integer]) -> Scale:
        """Describe examples (examples, columns); NaN where a value is unknown, but not in a whole column."""
        known = np.isfinite(values)
        weights = known * balance(classes)[:, None]
        weights /= weights.sum(axis=0)
        mean = (weights * np.where(known, values, 0.0)).sum(axis=0)
        deviation = np.sqrt((weights * np.where(known, values - mean, 0.0) ** 2).sum(axis=0))
        return Scale(mean, np.where(deviation > 1e-9 * np.abs(mean), deviation, 1.0))

    def far_off(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which values lie so far from the mean of the examples that nothing was taught of them."""
        return np.abs(values - self.mean) > FAR_OFF * self.deviation

    def inputs(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return standardised values, their squares, and 1 for the intercept, shape (nuclei, 2 × columns + 1).

        What is unknown counts as the mean, what is far off as the furthest that is not.
        """
        known = np.where(np.isnan(values), self.mean, values)
        plain = np.clip((known - self.mean) / self.deviation, -FAR_OFF, FAR_OFF)
        return np.column_stack([plain, SQUARES * (plain**2 - 1), np.ones(len(plain))])


def balance(classes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return weights of examples, 1 on average, that sum to the same for each class there is."""
    numbers = np.bincount(classes)
    return np.asarray(len(classes) / (np.count_nonzero(numbers) * numbers[classes]))


def fit(
    inputs: NDArray[np.float64],
    classes: NDArray[np.integer],
    start: NDArray[np.float64] | None = None,
    tolerance: float = EXACT,
) -> NDArray[np.float64]:
    """Fit the coefficients to examples, each class with the same weight however many it has.

    That is multinomial logistic regression with a ridge penalty on all coefficients but the intercepts, of three or
    more classes the same as scikit-learn's ``LogisticRegression(class_weight="balanced")``. The problem is convex, so
    that the start only saves time.

    Parameters
    ----------
    inputs : ndarray, shape (examples, inputs)
        As `Scale.inputs` returns them.
    classes : ndarray of int, shape (examples,)
        From 0. A class that no example has gets a probability near 0.
    start : ndarray, shape (classes, inputs), optional
        Coefficients of nearly the same examples.

    Returns
    -------
    ndarray, shape (classes, inputs)
    """
    count = int(classes.max()) + 1 if start is None else len(start)
    weights = STRENGTH * balance(classes)
    rows = np.arange(len(classes))

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        coefficients = flat.reshape(count, -1)
        scores = inputs @ coefficients.T
        missed = logsumexp(scores, axis=1) - scores[rows, classes]
        slope = softmax(scores, axis=1)
        slope[rows, classes] -= 1.0
        gradient = (slope * weights[:, None]).T @ inputs
        gradient[:, :-1] += coefficients[:, :-1]
        return float(weights @ missed + 0.5 * (coefficients[:, :-1] ** 2).sum()), gradient.ravel()

    first = np.zeros((count, inputs.shape[1])) if start is None else start
    found = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": tolerance})
    return cast("NDArray[np.float64]", found.x.reshape(count, -1))


def probabilities(inputs: NDArray[np.float64], coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each class, shape (nuclei, classes)."""
    return np.asarray(softmax(inputs @ coefficients.T, axis=1))


def told_by_the_others(
    inputs: NDArray[np.float64], classes: NDArray[np.integer], coefficients: NDArray[np.float64], parts: int
) -> NDArray[np.int64]:
    """Return the class that each example is told to be by the others, which leave it out; at most so many fits.

    Parameters
    ----------
    inputs, classes
        As for `fit`.
    coefficients : ndarray
        Fitted to all of them.
    parts : int
        With as many parts as examples each is left out by itself, else with others of all classes.
    """
    told = np.zeros(len(classes), np.int64)
    order = np.argsort(classes, kind="stable")  # each part holds examples of all classes
    for part in range(min(parts, len(classes))):
        left_out = order[part::parts]
        others = np.setdiff1d(order, left_out)
        known = fit(inputs[others], classes[others], coefficients, FAST)
        told[left_out] = np.argmax(probabilities(inputs[left_out], known), axis=1)
    return told
