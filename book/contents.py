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
        "Theorem 3 for one data set: what training images can certify, and what they cannot.",
        (26,),
    ),
)

# What the sidebar calls the notebooks: at most 35 characters, the number included.
SIDEBAR = {
    0: "00 · Start here",
    1: "01 · Forward and reverse diffusion",
    2: "02 · Perfection memorises",
    3: "03 · What score stability measures",
    4: "04 · Stability bounds the gap",
    5: "05 · Convexity of score matching",
    6: "06 · Harnack's inequality",
    7: "07 · Exact minimisers",
    8: "08 · A general class",
    9: "09 · Intrinsic dimension",
    10: "10 · Where a coarse sampler stops",
    11: "11 · Girsanov with constant one",
    12: "12 · The trade-off in κ",
    13: "13 · The best step ratio",
    14: "14 · Figure 2, exactly",
    15: "15 · The probability-flow ODE",
    16: "16 · Clipped SGD with decay",
    17: "17 · The gradient noise",
    18: "18 · Gradient noise contracts",
    19: "19 · A manifold in 50 dimensions",
    20: "20 · Noise and resamples",
    21: "21 · κ on real images",
    22: "22 · Signs of failure",
    23: "23 · High probability",
    24: "24 · Memorisation and privacy",
    25: "25 · Smoothness",
    26: "26 · A certified diffusion model",
}

# What a reader may look for and the text of a chapter calls otherwise.
KEYWORDS = {
    1: ("time reversal", "Tweedie's formula", "denoiser"),
    2: ("training data extraction", "replication", "nearest neighbour"),
    3: ("algorithmic stability", "replace-one stability", "influence"),
    4: ("generalization bound", "generalization gap", "overfitting"),
    5: ("on-average stability", "empirical risk"),
    6: ("Harnack inequality", "posterior weight"),
    7: ("empirical risk minimisation", "kernel density"),
    8: ("empirical risk minimisation", "hypothesis class"),
    9: ("manifold hypothesis", "TwoNN"),
    10: ("Euler-Maruyama", "discretization", "noise schedule", "step size"),
    11: ("Girsanov theorem", "KL divergence", "data processing"),
    12: ("discretization error", "sampling error"),
    13: ("optimal step size", "noise schedule"),
    14: ("U-curve", "KL divergence"),
    15: ("probability flow", "deterministic sampler", "DDIM"),
    16: ("stochastic gradient descent", "gradient clipping", "regularization"),
    17: ("minibatch noise", "gradient covariance"),
    18: ("reflection coupling", "Langevin", "SGLD"),
    20: ("minibatch noise", "number of noise draws"),
    21: ("energy distance", "image generation"),
    22: ("overfitting", "mode collapse", "diagnostics"),
    23: ("concentration inequality", "McDiarmid", "tail bound"),
    24: ("membership inference", "differential privacy", "attack"),
    25: ("minimax rate", "adaptivity"),
    26: ("leave-one-out", "cross-validation", "generalization bound"),
}

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
