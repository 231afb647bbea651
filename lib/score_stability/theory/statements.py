"""The paper's numbered statements, its experiments and its open questions; nothing else.

Paper: Farghly, Rebeschini, Deligiannidis, Doucet, "Implicit Regularisation in Diffusion Models:
An Algorithm-Dependent Generalisation Analysis" (arXiv 2507.03756, ICLR 2026). ``paper_form`` is
the form that public summaries of the paper give, with its constants hidden in ``≲``; ``ours`` is
the version with explicit constants that the notebooks prove or measure.  Texts are Markdown with
formulas between dollars; a sentence stands in a table, so it holds no bar.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Statement:
    """One numbered statement: what it says, in the paper's form and in ours, and where it is."""

    id: str
    title: str
    sentence: str
    paper_form: str
    ours: str
    notebooks: tuple[int, ...]
    needs_verdict: bool = True
    needs_control: bool = True


def _open(id: str, title: str, sentence: str, ours: str, notebook: int) -> Statement:
    return Statement(id, title, sentence, "open in the paper", ours, (notebook,))


STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "Lemma 1",
        "Perfection memorises",
        "The empirical score is the unique minimiser of the empirical denoising loss, so perfect "
        "training and sampling give back the training set.",
        r"$\arg\min\hat\ell_{dsm}=\nabla\log\hat p_t$, unique in $L^2$",
        r"$\hat\ell_{dsm}(s)=\lVert s-\hat s\rVert^2+\hat C$ exactly (2.1); $\mathbb E\hat C\le "
        r"C$ with exact defect (2.2); $\hat C\le\log N$ for Lebesgue $\tau$ (2.3)",
        (2,),
    ),
    Statement(
        "Definition 2",
        "Score stability",
        "How far the learned score moves, seen from the new point, when one training point is "
        "replaced.",
        r"$\mathbb E\inf_{\text{couplings}}\int\mathbb E\big[\lvert\hat s-\hat "
        r"s^{\,i}\rvert^2(X_t,t)\mid X_0=\tilde x\big]\,\tau(dt)\le\varepsilon_{stab}^2$ for all "
        "$i$",
        "the average over $i$ suffices; for the empirical score all $i$ in one pass (3.3)",
        (3,),
        needs_control=False,
    ),
    Statement(
        "Theorem 3",
        "Stability controls the generalisation gap",
        "The root denoising losses on fresh and on training data differ by at most the score "
        "stability.",
        r"$\sqrt{\mathbb E\,\ell_{dsm}}-\sqrt{\mathbb E\,\hat\ell_{dsm}}\le\varepsilon_{stab}$; "
        r"$\mathbb E\,\ell_{sm}\lesssim\mathbb E\,\hat\ell_{sm}+\varepsilon_{stab}\sqrt{C_{sm}}"
        r"+\varepsilon_{stab}^2$",
        r"$\big|\sqrt L-\sqrt{\hat L}\big|\le\varepsilon_{stab}$ (4.1), two-sided, constant one, "
        "any algorithm",
        (4,),
    ),
    Statement(
        "Lemma 4",
        "Convexity of denoising score matching",
        "One replaced point moves a score little on its training set, unless it left much to fit.",
        r"$\int\mathbb E\lvert\hat s-\hat s^{\,i}\rvert^2\lesssim\mathbb E\,\hat\ell_{sm}"
        r"+\frac{\varepsilon_{stab}}N\big(\sqrt{C_{sm}}+\varepsilon_{stab}\big)$",
        r"$\mathbb EF\le\big(\sqrt h+\sqrt{h+\text{gap}/N}\,\big)^2$, every algorithm (5.4); "
        r"$\le\text{gap}/N$ for exact minimisers over a convex class (5.1), $=\text{gap}/N$ over "
        "a linear one (5.2)",
        (5,),
    ),
    Statement(
        "Wang's Harnack inequality",
        "Smoothing of the heat semigroup",
        "Gaussian smoothing compares a function at two points at an explicit price.",
        "Wang 1997",
        r"$(\mathbb Ef(x+s\xi))^p\le e^b\,\mathbb Ef(y+s\xi)^p$ for $f\ge0$, $p>1$, $\xi\sim "
        r"N(0,I)$, $b=p\,|x-y|^2/(2(p-1)s^2)$ (6.1): the sharp Gaussian form, with its extremal "
        "function; (6.2) for the forward process",
        (6,),
    ),
    Statement(
        "Self-posterior lemma (ours)",
        "How sure a noised point is of itself",
        "A noised training point recognises itself at most as surely as one over its neighbours, "
        "distant ones discounted.",
        "not in the paper's public summary",
        r"$\mathbb E\,\tilde w^a\le A_a^{-a}$ (6.3) and $\le e^{a^2|\bar u|^2/2}Z^{-a}$ (6.4), "
        r"every set, best coefficients; for integer $a$ at most $a!\,e^{a(a+1)R^2/2}(N\pi)^{-a}$ "
        r"from the mass $\pi$ of a ball (6.6)",
        (6,),
    ),
    Statement(
        "Assumption 5",
        "Data on a manifold",
        "Data live on a manifold of dimension $d^*$, with reach and a density floor.",
        r"dimension $d^*$, reach, density floor $c_\nu$; class of diameter $D_{\mathcal H}$",
        r"mass in every small ball, $\inf\pi>0$, suffices; compact support gives it",
        (8,),
        needs_verdict=False,
        needs_control=False,
    ),
    Statement(
        "Proposition 6",
        "Early stopping makes empirical risk minimisation stable",
        "Exact minimisers are stable, at a rate set by $N$, the stopping time and the manifold's "
        "dimension.",
        r"$\varepsilon_{stab}^2\lesssim C\,\big(C\,C_{sm}N^{-2}+\mathbb E\,\hat\ell_{sm}\big)^c$, "
        r"$C=D_{\mathcal H}^2/\sigma^4\vee1/(c_\nu\,\sigma^{d^*})$, any $c<1$",
        r"$\varepsilon_{stab}^2\le M\,(\text{gap}/N)^{r/(r+1)}$ over a convex class, $M$ explicit "
        "(8.1); for the empirical score the exact first-order constant $V$ (7.1), the curve "
        "$f_d$ of flat space (7.3) and a certificate (7.4)",
        (7, 8),
    ),
    Statement(
        "Proposition 7",
        "A coarse sampler is more stable",
        "The sampler's KL error is a stability term at a later effective stopping time plus a "
        "discretisation term.",
        "constants not seen",
        r"Euler–Maruyama, $\alpha=0$, losses and stability on the sampler's own grid: $\mathbb "
        r"E\,\mathrm{KL}(p_\varepsilon\Vert Q_S)\le\mathrm{KL}(p_T\Vert\pi)+\big(\sqrt{\hat "
        r"L}+\varepsilon_{stab}\big)^2-C_{sm}+D(\kappa)$ (12.1), $Q_S$ the law of the output, "
        r"$\pi$ the start; $D$ is a Riemann error (11.2), at most $\frac{\kappa "
        r"d}2(1+\log\frac1\varepsilon)$ (11.3)",
        (12,),
    ),
    Statement(
        "Corollary 8",
        "The best step ratio",
        r"Balancing stability against discretisation gives an optimal $\kappa$.",
        r"$\kappa(1+\kappa)^{d^*}\log(1/\varepsilon)^2\asymp R$, $R$ not seen",
        r"for $A(1+\kappa)^{-q}+Q\kappa$, $R=A/Q$: "
        r"$\kappa_{opt}=\max\big(0,(qR)^{1/(q+1)}-1\big)$ (13.2), positive if and only if $R>1/q$ "
        r"(13.3); of the bound itself the slope at $\kappa\to0$ (13.5)",
        (13,),
    ),
    Statement(
        "Assumption 9",
        "Lipschitz score network",
        "The score network is Lipschitz in its parameters, with constants that may depend on the "
        "input.",
        "exact form not seen",
        "measured on real networks",
        (16, 17),
        needs_control=False,
    ),
    Statement(
        "Assumption 10",
        "Smooth loss gradient",
        "The loss gradient is smooth in the parameters.",
        "exact form not seen",
        "measured on real networks",
        (16, 17),
        needs_control=False,
    ),
    Statement(
        "Proposition 11",
        "SGD with clipping and weight decay",
        "Clipped SGD is stable, but the bound grows with the number of iterations.",
        r"order $K^{\bar\eta\upsilon/(\bar\eta\upsilon+1)}/N$ on $\varepsilon_{stab}^2$, "
        "constants not seen",
        r"two runs with the same random numbers, $\delta_k$ apart: $\mathbb "
        r"E\,\delta_{k+1}\le(1-\eta_k\lambda+q\,\eta_k\upsilon)\,\mathbb E\,\delta_k+2p\,\eta_kC$ "
        r"and $\varepsilon_{stab}^2\le L^2R_0\,\mathbb E\,\delta_k$ (16.2); $R_0=2C/\lambda$, $C$ "
        "the clip, $L$ a Lipschitz constant, $p$ the chance of a hit, $q=1-p$",
        (16,),
    ),
    Statement(
        "Assumption 12",
        "Gaussian gradient noise",
        "The gradient noise is Gaussian to second order.",
        "exact form not seen",
        "measured on real networks",
        (17,),
    ),
    Statement(
        "Assumption 13",
        "Spectral gap of the gradient noise",
        "The covariance of the gradient noise has a spectral gap.",
        "exact form not seen",
        "measured on real networks",
        (17,),
    ),
    Statement(
        "Proposition 14",
        "Gradient noise contracts",
        "With gradient noise the bound does not grow with the number of iterations.",
        r"independent of $K$, rate $1/\sqrt N$, constants not seen",
        r"$\varepsilon_{stab}^2\le L^2R_0\min(R_0,pG)$ for every $K$ (18.2), letters as in "
        "Proposition 11, $G$ finite and explicit, by a reflection coupling; for injected "
        "isotropic noise",
        (18,),
    ),
    Statement(
        "Figure 1",
        "Samples from the empirical score are training images",
        "Sampling with the empirical score copies training images.",
        "CIFAR-10 in the paper",
        "MNIST and digits, with held-out images and a Gaussian model as controls",
        (2,),
    ),
    Statement(
        "Figure 2",
        "Three U-curves",
        r"For a 1-D Gaussian with $N=40$ the population KL is U-shaped in $\kappa$, in the number "
        r"of steps and in $\varepsilon$.",
        r"axes, sampler and $\alpha$ not seen",
        "without Monte Carlo; and when the curves are not U-shaped",
        (14,),
    ),
    Statement(
        "Mechanism: denoising regularisation",
        "Stopping early",
        "Stability improves as the stopping time grows, at a price in quality.",
        r"stability shrinks as $\varepsilon$ grows",
        "measured against closed forms",
        (7,),
        needs_control=False,
    ),
    Statement(
        "Mechanism: sampler regularisation",
        "A coarse grid",
        "Stability improves as the step ratio grows, at a price in accuracy.",
        r"stability shrinks as $\kappa$ grows",
        "measured against closed forms",
        (12,),
        needs_control=False,
    ),
    Statement(
        "Mechanism: optimisation regularisation",
        "Gradient noise",
        "Stability improves as the gradient noise grows, at a price in fit.",
        "stability shrinks as the noise grows",
        "measured against closed forms",
        (18,),
        needs_control=False,
    ),
    Statement(
        "Experiment 1",
        r"Early stopping on a 2-D manifold in $\mathbb R^{50}$",
        "Later stopping means fewer visible copies and less quality; exact copies hide alike.",
        r"less memorisation; $\varepsilon\in\{10^{-3},10^{-2},10^{-1}\}$",
        "measured beside exact copies and held-out points with the same noise",
        (19,),
    ),
    Statement(
        "Experiment 2",
        r"Train once, sample with several $\kappa$",
        r"A held-out distance is U-shaped in $\kappa$.",
        "expected by the summary",
        "measured",
        (19,),
    ),
    Statement(
        "Experiment 3",
        r"Resamples $P\in\{1,4,16\}$",
        "Fewer resamples train slower and generalise better at many iterations.",
        "expected by the summary",
        "measured",
        (20,),
    ),
    Statement(
        "Check 1",
        "Intrinsic dimension of real data",
        "Real images look of small dimension to their neighbours, and not for their covariance.",
        "bounds with $d^*$ against $d$",
        "TwoNN on a ruler of spheres; noise that hides an image",
        (9,),
    ),
    Statement(
        "Check 2",
        "Step-ratio sweep on real images",
        r"Quality and generalisation of samples of real images over $\kappa$.",
        "FID and IS",
        "distances measured on MNIST and digits",
        (21,),
    ),
    Statement(
        "Check 3",
        "Divergence of adjacent runs",
        "Models trained on adjacent data sets diverge less when the noise is raised.",
        "noise raised and lowered (raising $P$ lowers noise)",
        "measured",
        (20,),
    ),
    Statement(
        "Failure: memorisation",
        "Copies of training data",
        r"Too many iterations; small $\varepsilon$ or $\kappa$ let copies be seen, larger ones "
        "hide them.",
        r"$\varepsilon$ or $\kappa$ too small, or too many iterations",
        "a diagnostic, beside exact copies and fresh points with the same noise",
        (22,),
        needs_control=False,
    ),
    Statement(
        "Failure: collapse",
        "Poor quality",
        r"$\kappa$ too large.",
        "as said",
        "a diagnostic and its figure",
        (22,),
        needs_control=False,
    ),
    Statement(
        "Failure: unstable training",
        "Training stalls or diverges",
        "Clip or weight decay badly set.",
        "as said",
        "a diagnostic and its figure",
        (22,),
        needs_control=False,
    ),
    _open(
        "Open: probability-flow ODE",
        "The deterministic sampler",
        "Does the probability-flow ODE have other stability properties than Euler–Maruyama?",
        r"of two scores, $\Delta$ apart: $\mathrm{KL}\le\sum_kw_k\,\mathbb E|\Delta_{u_k}|^2$ for "
        r"the SDE (15.1); for the ODE no bound of TV by $\sup|\Delta|$ (15.2), one by slopes for "
        "$d=1$ (15.3)",
        15,
    ),
    _open(
        "Open: high probability",
        "Beyond expectation",
        "Do the bounds hold with high probability?",
        r"$P\big(|G|\ge b/\sqrt\delta\big)\le\delta$ for the gap $G$ of one data set, $b$ from "
        r"second moments (23.1), proven; from uniform stability a bound in $\log(1/\delta)$ (23.2)",
        23,
    ),
    _open(
        "Open: memorisation and privacy",
        "Stability, memorisation, privacy",
        "How does score stability relate to memorisation metrics and differential privacy?",
        r"empirical score, Lebesgue $\tau$ on $[\varepsilon,T]$: $\varepsilon_{stab}^2\le "
        r"N\,\mathbb E\,\mathrm{KL}(\hat p_\varepsilon\Vert \hat p_\varepsilon^i)\le "
        r"\mathrm{snr}_\varepsilon\operatorname{tr}\mathrm{Cov}(\nu)$ (24.1); what one sample of "
        "the exact reverse process betrays, exactly (24.3)",
        24,
    ),
    _open(
        "Open: smoothness",
        "Smooth targets",
        "Do the rates adapt to smooth targets?",
        "early stopping of the empirical score on the circle: in the quadratic model (25.1) "
        r"order $N^{-2b/(2b+1)}$ at the best $\varepsilon$, $b=\min(q,2)$, for order of "
        r"smoothness $q\ne2$; the true KL of a bounded density that is not uniform is at least of "
        "order $N^{-4/5}$ (25.3)",
        25,
    ),
    Statement(
        "Certificate (ours)",
        "Theorem 3 made pathwise",
        "For every data set and algorithm training loss and stability bound the leave-one-out "
        "loss; in the mean over data sets they bound the true loss.",
        "not in the paper",
        r"$\mathrm{LOO}\le\big(\sqrt{\hat L}+\varepsilon\big)^2$ (26.2) with $\varepsilon$ of "
        r"(26.1), a stability; $\mathbb ER(\bar m)\le\mathbb E\big(\sqrt{\hat "
        r"L}+\varepsilon\big)^2$ (26.3), $\bar m$ the mean of the left-out models",
        (26,),
    ),
    Statement(
        "Question 1",
        "The conditional score",
        r"Derive $\nabla\log p_{t\mid0}$.",
        "quick check of the paper's summary",
        "exercise with solution",
        (1,),
        needs_verdict=False,
        needs_control=False,
    ),
    Statement(
        "Question 2",
        "Uniform stability",
        r"Bound $\lvert\mathbb E\,\ell(A(S))-\mathbb E\,\hat\ell(A(S),S)\rvert$ for an "
        r"$\epsilon$-uniformly stable algorithm.",
        "quick check of the paper's summary",
        "exercise with solution",
        (3,),
        needs_verdict=False,
        needs_control=False,
    ),
    Statement(
        "Question 3",
        "Perfect and empirical score",
        "What does the reverse SDE do with the true score, and what with the empirical score?",
        "quick check of the paper's summary",
        "exercise with solution",
        (1,),
        needs_verdict=False,
        needs_control=False,
    ),
)

IDS: tuple[str, ...] = tuple(statement.id for statement in STATEMENTS)


def statement(id: str) -> Statement:
    """The statement with this id. Raises ``ValueError`` that lists the known ids."""
    for candidate in STATEMENTS:
        if candidate.id == id:
            return candidate
    raise ValueError(f"id must be one of {', '.join(IDS)}; got {id!r}")
