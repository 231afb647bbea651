"""What the book holds, in reading order; the only list of its parts.

The README's list of notebooks and the site's sidebar are compared with it, or made from it.
"""

# Title of the part, one sentence on it, numbers of its notebooks.
PARTS = (
    ("Start here", "The paper in one page, notation, how to read a verdict.", (0,)),
    (
        "Memorisation and stability",
        "Perfect training copies the data; score stability measures how far an algorithm is from "
        "that.",
        (1, 2, 3, 4),
    ),
    (
        "First source: stopping early",
        "Noise at the last time hides single points; the dimension of the data decides how fast.",
        (5, 6, 7, 8, 9),
    ),
    (
        "Second source: a coarse sampler",
        "A step ratio acts like a later stopping time, at a price in accuracy.",
        (10, 11, 12, 13, 14, 15),
    ),
    (
        "Third source: gradient noise",
        "SGD with clipping and weight decay, and what the noise of the gradient does.",
        (16, 17, 18),
    ),
    (
        "Experiments",
        "A manifold in fifty dimensions, resampled noise, real images, and the signs of failure.",
        (19, 20, 21, 22),
    ),
    (
        "Open questions",
        "High probability, privacy, smoothness (the probability-flow ODE is chapter 15).",
        (23, 24, 25),
    ),
    (
        "A certificate",
        "Theorem 3 made pathwise, from training data alone.",
        (26,),
    ),
)

# Pages of the last part, as paths of the assembled source.
REFERENCE = (
    "notation",
    "statements",
    "book/full_profile",
    "TEACHING",
    "data/README",
    "api/index",
    "benchmarks/README",
    "CONTRIBUTING",
)
