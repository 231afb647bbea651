"""What makes numbers depend on the processor, found by reading sources: nothing is run."""

import re
from pathlib import Path

import pytest

from verdicts import notebook

ROOT = Path(__file__).resolve().parents[1]
# LAPACK chooses signs, and bases of multiple eigenvalues. Where a factor is used, it is said here
# why the result does not depend on that choice, by module or notebook.
CHOICE = re.compile(
    r"\b(?:linalg\.(?:eigh?|svd|qr|cholesky|lstsq|pinv)|multivariate_normal|eigsh?|schur|PCA|sqrtm)\(")
ALLOWED = {
    "diffusion/targets/gaussian": {
        "torch.linalg.eigh(matrix)": "rotated there and back: a symmetric function of it"},
    "diffusion/targets/embedding": {"np.linalg.qr(": "the signs are fixed by the diagonal of r"},
    "theory/exact_cases": {
        "np.linalg.eigh(": "simple eigenvalues, squared components of the vectors"},
    "optimiser/gradient_noise": {
        "torch.linalg.eigh(fitted)": "variances along the vectors, no signs"},
    "scores/linear_denoisers": {"np.linalg.eigh(self.covariances)": "rotated there and back"},
    "yardsticks/divergences": {"np.linalg.eigh(S)": "the symmetric square root",
                               "np.linalg.svd(": "singular values only"},
    "optimiser/contraction": {"eigs(": "an eigenvalue only, with its start vector given"},
    "17": {"torch.linalg.eigh(noise_covariances": "even moments along simple vectors",
           "torch.linalg.eigh(fitted)": "even moments along the simple first vector"},
    "21": {"np.linalg.svd(rest.pixels": "the signs are fixed in the next line"},
    "26": {"np.linalg.cholesky(": "the factor with a positive diagonal is one"},
}
# The order within a part, or of equal numbers, is the processor's; for a value alone it is fine.
ORDER = re.compile(r"partition\(|\btopk\(")
# Sorted, of duplicates any is the nearest; a value alone.
ORDERED = {"yardsticks/memorisation": "distances.topk(2",
           "yardsticks/dimension": "np.partition(minima"}
# A layer made without a dtype draws its weights in float32.
SINGLE = re.compile(
    r"\.float\(\)|\.half\(\)|float32|float16|nn\.(?:Linear|Conv\w*|Embedding)\((?![^()]*dtype)")
TORCH_DRAWS = re.compile(r"\btorch\.(?:randn?|randint|randperm|normal|bernoulli|multinomial)\(")


def sources():
    library = ROOT / "lib" / "score_stability"
    for path in sorted(library.glob("**/*.py")):
        name = path.relative_to(library).with_suffix("").as_posix()
        yield name, path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = notebook.code_cells(notebook.read(path))
        yield path.name[:2], "\n".join(c["source"] for c in cells)


SOURCES = dict(sources())


@pytest.mark.parametrize("name", SOURCES)
def test_no_number_depends_on_the_vectors_that_lapack_chooses(name):
    text = SOURCES[name]
    allowed = ALLOWED.get(name, {})
    lines = [line for line in text.splitlines() if CHOICE.search(line)]
    assert [line.strip() for line in lines if not any(place in line for place in allowed)] == []
    # An excuse outlives its line easily.
    assert [p for p in allowed if not any(p in line for line in lines)] == []


@pytest.mark.parametrize("name", SOURCES)
def test_nothing_is_picked_in_an_order_that_the_processor_chooses(name):
    lines = [line.strip() for line in SOURCES[name].splitlines() if ORDER.search(line)]
    assert [line for line in lines if ORDERED.get(name, "\n") not in line] == []


@pytest.mark.parametrize("name", [name for name in SOURCES if name.isdigit()])
def test_notebooks_compute_in_float64_and_draw_from_numpy(name):
    # Single precision differs between processors in the seventh digit, and training amplifies it;
    # the draws of torch differ with the width of its registers.
    text = SOURCES[name]
    assert SINGLE.findall(text) == [] and TORCH_DRAWS.findall(text) == []
