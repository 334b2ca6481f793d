"""Polynomials of operators: what a PolyInception module computes.

A polynomial is the tuple of its terms beside the identity I, which each of
them has. A term is a product of operators, the last letter applied first:
("F", "GF") is I + F + GF. Equal letters have equal parameters.
"""

from collections.abc import Callable
from typing import Any

Polynomial = tuple[str, ...]

POLYNOMIALS: dict[str, Polynomial] = {
    "ir": ("F",),  # the Inception residual unit
    "poly2": ("F", "FF"),
    "mpoly2": ("F", "GF"),
    "way2": ("F", "G"),  # the paper's 2-way
    "poly3": ("F", "FF", "FFF"),
    "mpoly3": ("F", "GF", "HGF"),
    "way3": ("F", "G", "H"),
}


def evaluate(
    polynomial: Polynomial,
    x: Any,
    apply: Callable[[str, Any], Any],
    add: Callable[[Any, list[Any]], Any],
) -> Any:
    """`add(x, [the terms' values at x])`, each product worked out once.

    The paper's cascade, Horner's scheme from the right: I + F + F^2 is
    I + (I + F)F and takes two uses of F, where the sum of paths takes three.
    The operators need not be linear; I + F(I + F) would be another function.

    Args:
        polynomial: Its terms.
        x: What it is applied to.
        apply: `apply(term, y)` is the term's first operator at y, the value of
            the term without it. It is called once for each product, so it may
            also treat the uses of one operator differently.
        add: The sum; a residual scaling is its affair.
    """
    values = {"": x}
    for term in polynomial:
        for start in reversed(range(len(term))):
            product = term[start:]
            if product not in values:
                values[product] = apply(product, values[product[1:]])
    return add(x, [values[term] for term in polynomial])
