"""Image data sets as float64 arrays (digits, an MNIST subset, CIFAR-10); rings; a stored run.

Where the data come from, their licences and checksums: ``data/README.md``.
"""

import gzip
import hashlib
import importlib.resources
import io
import math
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .arrays import as_numpy, count, number

FOLDER_VARIABLE = "SCORE_STABILITY_DATA"
LONG_RUN_FILE = "gradient_noise_long_run.npz"
LONG_RUN_SHA256 = "e81e6d13542e175e6a87489dffe6b9f97ef6181094669129cf531acb3c857615"
MNIST_FILE = "mnist_5000.npz"
MNIST_SHA256 = "246e0c30eeea57c8d0037d3f38c8e00651ec204cc61b8022563e9aeeb9d756f4"
CIFAR_FOLDER = "cifar-10-batches-bin"
CIFAR_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR_BATCHES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
CIFAR_ROW = 1 + 3 * 32 * 32
_BATCH = 10_000 * CIFAR_ROW  # bytes of an official batch: never more than that is read
_ARCHIVE = 6 * _BATCH + 2**20  # six of them and a little text


class DataUnavailable(RuntimeError):
    """A data set is not on this machine (or is damaged); the message says what to do."""


@dataclass(frozen=True, eq=False)
class Images:
    """A labelled set of ``n`` images, one flattened image per row.

    ``pixels``: ``(n, d)``, in [0, 1] (0 black, 1 white), kept as float64; ``labels``: integers,
    ``(n,)``; ``shape``: ``(h, w)`` or ``(h, w, 3)`` with product ``d``, so that
    ``pixels[i].reshape(shape)`` can be drawn. Raises ``TypeError`` or ``ValueError`` naming the
    field that is wrong.
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray
    shape: tuple[int, ...]

    def __post_init__(self):
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, not {type(self.name).__name__}")
        object.__setattr__(self, "pixels", as_numpy("pixels", self.pixels, "n", "d"))
        if self.pixels.min() < 0 or self.pixels.max() > 1:
            raise ValueError("pixels must lie in [0, 1]")
        if not (isinstance(self.labels, np.ndarray) and self.labels.dtype.kind in "iu"):
            raise TypeError("labels must be an integer numpy array")
        if self.labels.shape != self.pixels.shape[:1]:
            raise ValueError(
                f"labels must have shape ({len(self)},), one per row of pixels, "
                f"not {self.labels.shape}"
            )
        shape, d = self.shape, self.pixels.shape[1]
        if not isinstance(shape, tuple) or not all(isinstance(s, int) and s > 0 for s in shape):
            raise TypeError(f"shape must be a tuple of positive integers, not {shape!r}")
        if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or math.prod(shape) != d:
            raise ValueError(f"shape must be (h, w) or (h, w, 3) with product {d}, not {shape}")

    def __len__(self) -> int:
        return len(self.pixels)


def digits() -> Images:
    """The 1797 handwritten digits of 8 x 8 pixels that come with scikit-learn, divided by 16.

    ``d = 64``. Source: UCI, Alpaydin and Kaynak 1998; ``sklearn.datasets.load_digits``.
    """
    from sklearn.datasets import load_digits

    raw = load_digits()
    return Images("digits", raw.data / 16, raw.target.astype(np.int64), (8, 8))


def mnist() -> Images:
    """5000 MNIST images of 28 x 28 pixels, 500 of each class, divided by 255.

    ``d = 784``. The file is **sorted by class**: take parts of it with ``split`` only. Raises
    ``DataUnavailable`` if the file is missing or its checksum is wrong. Source: LeCun, Cortes,
    Burges; the first 500 images of each class of the training set.
    """
    arrays = _shipped(MNIST_FILE, MNIST_SHA256)
    pixels, labels = arrays["images"], arrays["labels"]
    return Images("mnist", pixels.reshape(-1, 784) / 255, labels.astype(np.int64), (28, 28))


def cifar10(
    folder: str | os.PathLike | None = None, download: bool = False, limit: int | None = None
) -> Images:
    """The 50,000 training images of CIFAR-10, 32 x 32 pixels in colour, divided by 255.

    ``d = 3072``; a row is height, width, channel (R, G, B), so ``reshape(32, 32, 3)`` can be
    drawn. ``limit`` keeps the first images only (the order is random; all of them take 1.2 GB in
    float64). Nothing of CIFAR-10 comes with this package. We look for the official binary
    version, the folder ``cifar-10-batches-bin`` or the archive ``cifar-10-binary.tar.gz``, in
    ``folder``; without ``folder``, in the folder that the environment variable
    ``SCORE_STABILITY_DATA`` names, then in ``data/``. If it is not there and ``download`` is true,
    torchvision downloads its own copy. Raises ``DataUnavailable`` with instructions if there is
    none, ``ValueError`` naming the file if one is truncated, larger than the official one or not in
    its layout.
    Source: Krizhevsky 2009.
    """
    if limit is not None:
        limit = count("limit", limit)
    named = folder if folder is not None else os.environ.get(FOLDER_VARIABLE) or None
    try:
        places = [] if named is None else [Path(named).expanduser()]
    except RuntimeError as error:
        raise DataUnavailable(f"folder '{named}': {error}") from error
    if folder is None:
        places.append(_data_folder())
    for place in places:
        if (place / CIFAR_FOLDER).is_dir():
            return _cifar_images(_folder_batches(place / CIFAR_FOLDER), limit)
        if (place / CIFAR_ARCHIVE).is_file():
            return _cifar_images(_archive_batches(place / CIFAR_ARCHIVE), limit)
    if download:
        pixels, labels = _torchvision_cifar(places[0] if named is not None else None)
        return _as_cifar(pixels[:limit], labels[:limit])
    raise DataUnavailable(
        f"CIFAR-10 was not found in {' or '.join(repr(str(place)) for place in places)}. Either "
        "download the binary version from https://www.cs.toronto.edu/~kriz/cifar.html and give "
        f"the folder that holds {CIFAR_ARCHIVE} (or the unpacked {CIFAR_FOLDER}) as `folder` or "
        f"in the environment variable {FOLDER_VARIABLE}; or install torchvision and pass "
        "download=True"
    )


def load(name: str, **options) -> Images:
    """The data set called ``name``: ``"digits"``, ``"mnist"`` or ``"cifar10"``.

    ``options`` go to the function of that name. Raises ``ValueError`` listing the known names.
    """
    known = {"digits": digits, "mnist": mnist, "cifar10": cifar10}
    if name not in known:
        raise ValueError(f"name must be one of {', '.join(known)}, not {name!r}")
    return known[name](**options)


def split(images: Images, sizes: Sequence[int], generator: np.random.Generator) -> list[Images]:
    """Disjoint random parts of ``images``, of the given ``sizes``.

    One permutation of all ``n`` images is drawn, whatever the sizes: the parts are consecutive
    pieces of it, a smaller first part is a subset of a larger one, and what the generator draws
    afterwards does not depend on ``sizes``. Raises ``TypeError`` if ``generator`` is not a numpy
    ``Generator``, ``ValueError`` if a size is not positive or their sum exceeds ``n``.
    """
    if not isinstance(images, Images):
        raise TypeError(f"images must be Images, not {type(images).__name__}")
    if not isinstance(generator, np.random.Generator):
        raise TypeError(
            f"generator must be a numpy.random.Generator, not {type(generator).__name__}"
        )
    try:
        sizes = [count("sizes", size) for size in sizes]
    except TypeError as error:
        raise TypeError(f"sizes must be a sequence of positive integers, not {sizes!r}") from error
    if not sizes or sum(sizes) > len(images):
        raise ValueError(f"sizes must be one or more with sum <= {len(images)}, not {sizes}")
    order = generator.permutation(len(images))
    ends = np.cumsum(sizes)
    return [
        Images(images.name, images.pixels[rows], images.labels[rows], images.shape)
        for rows in np.split(order[: ends[-1]], ends[:-1])
    ]


@dataclass(frozen=True, eq=False)
class Standardisation:
    """The affine map ``x -> (x - mean) / scale`` with a mean image ``(d,)`` and ONE scalar scale.

    ``scale = sqrt(mean |x - mean|² / d)`` over the training set, so that the trace of its
    covariance is ``d``. A scale per pixel would blow up the pixels that are nearly always black.
    """

    mean: np.ndarray
    scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", as_numpy("mean", self.mean, "d"))
        object.__setattr__(self, "scale", number("scale", self.scale))
        if self.scale <= 0:
            raise ValueError(f"scale must be positive; got {self.scale}")

    @classmethod
    def of(cls, train: Images | np.ndarray) -> "Standardisation":
        """Fit to ``train``, ``(n, d)``; ``ValueError`` if all of its images are the same."""
        x = _rows(train, "train")
        mean = x.mean(axis=0)
        scale = float(np.sqrt(np.mean((x - mean) ** 2)))
        # The mean of equal numbers can be off by a rounding error, so scale > 0 is not enough.
        if (x == x[0]).all() or not 0 < scale < math.inf:
            raise ValueError("train must hold different images, with a finite spread")
        return cls(mean, scale)

    def __call__(self, images: Images | np.ndarray) -> np.ndarray:
        """Standardised float64 copy of ``images``, ``(n, d)``."""
        x = _rows(images, "images")
        if x.shape[1] != len(self.mean):
            raise ValueError(f"images must have {len(self.mean)} columns, not {x.shape[1]}")
        return (x - self.mean) / self.scale

    def to_pixels(self, array: np.ndarray) -> np.ndarray:
        """The inverse, for display: ``array * scale + mean``, not clipped to [0, 1]."""
        x = _rows(array, "array")
        if x.shape[1] != len(self.mean):
            raise ValueError(f"array must have {len(self.mean)} columns, not {x.shape[1]}")
        return x * self.scale + self.mean


def standardise(train: Images | np.ndarray, *others: Images | np.ndarray) -> tuple[np.ndarray, ...]:
    """``train`` and ``others`` in units in which the covariance of ``train`` has trace ``d``.

    ``(x - mean) / sqrt(mean |x - mean|² / d)`` with the mean image of ``train`` and one scalar
    for all: see ``Standardisation``. Float64 arrays ``(n, d)``. Raises ``ValueError`` if ``train``
    is constant or the numbers of pixels differ.
    """
    rule = Standardisation.of(train)
    return tuple(rule(images) for images in (train, *others))


def _rows(images, argument: str) -> np.ndarray:
    return images.pixels if isinstance(images, Images) else as_numpy(argument, images, "n", "d")


def _shipped(name: str, sha256: str) -> dict[str, np.ndarray]:
    """The arrays of a file that comes with the package, if it is the right one."""
    path = importlib.resources.files("score_stability.data") / name
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise DataUnavailable(f"{name} is missing: reinstall score-stability") from error
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise DataUnavailable(f"{name} is damaged (wrong sha256): reinstall score-stability")
    with np.load(io.BytesIO(raw)) as file:
        return dict(file)


def _data_folder() -> Path:
    return Path(str(importlib.resources.files("score_stability.data")))


def _folder_batches(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in CIFAR_BATCHES:
        if not (folder / name).is_file():
            raise DataUnavailable(f"{name} is missing from '{folder}': unpack the archive again")
        with (folder / name).open("rb") as file:
            yield name, _at_most(_BATCH, file, name)


def _at_most(size: int, file: Any, name: str) -> bytes:
    raw = file.read(size + 1)
    if len(raw) > size:
        raise ValueError(f"{name} holds more than the {size} bytes of the official one")
    return raw


def _archive_batches(archive: Path) -> Iterator[tuple[str, bytes]]:
    # Nothing is unpacked to disk. Reading to the end first is what makes gzip compare its checksum.
    try:
        with gzip.open(archive) as file:
            raw = io.BytesIO(_at_most(_ARCHIVE, file, archive.name))
        with tarfile.open(fileobj=raw, mode="r:") as tar:
            for name in CIFAR_BATCHES:
                member = tar.getmember(f"{CIFAR_FOLDER}/{name}")
                if not member.isfile():  # a link may lead to itself
                    raise KeyError(name)
                yield name, _at_most(_BATCH, tar.extractfile(member), name)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, KeyError) as error:
        raise ValueError(
            f"{archive.name} is truncated or not the official archive: download it again"
        ) from error


def _cifar_images(batches: Iterator[tuple[str, bytes]], limit: int | None) -> Images:
    rows, n = [], 0
    for name, raw in batches:
        if not raw or len(raw) % CIFAR_ROW:
            raise ValueError(
                f"{name} has {len(raw)} bytes, not a positive multiple of {CIFAR_ROW}: truncated?"
            )
        batch = np.frombuffer(raw, np.uint8).reshape(-1, CIFAR_ROW)
        if batch[:, 0].max() > 9:
            raise ValueError(f"{name} has a label above 9: not the binary version of CIFAR-10")
        rows.append(batch)
        n += len(batch)
        if limit is not None and n >= limit:
            break
    stack = np.concatenate(rows)[:limit]
    # On disk: all of R, then G, then B, each row-major; in memory: channel last.
    planes = stack[:, 1:].reshape(-1, 3, 32, 32)
    return _as_cifar(planes.transpose(0, 2, 3, 1), stack[:, 0])


def _torchvision_cifar(folder: Path | None) -> tuple[np.ndarray, np.ndarray]:
    try:
        from torchvision.datasets import CIFAR10
    except ImportError as error:
        raise DataUnavailable("download=True needs torchvision: pip install torchvision") from error
    try:
        root = folder if folder is not None else Path.home() / ".cache" / "score-stability"
        data = CIFAR10(root=str(root), train=True, download=True)
    except (OSError, RuntimeError) as error:  # a URLError is an OSError
        raise DataUnavailable(f"torchvision could not download CIFAR-10: {error}") from error
    return np.asarray(data.data), np.asarray(data.targets)


def _as_cifar(pixels: np.ndarray, labels: np.ndarray) -> Images:
    x = pixels.reshape(-1, 3072) / 255
    return Images("cifar10", x, labels.astype(np.int64), (32, 32, 3))


def noisy_ring(sets: int, number: int, generator: np.random.Generator, *,
               spread: float = 0.1):
    """Data sets ``(sets, number, 2)``, torch float64: angle uniform, radius 1 + spread·N(0, 1).

    The law on which the collection trains its small networks: a curve with a little thickness.
    """
    import torch

    if sets < 1 or number < 1:
        raise ValueError(f"sets and number must be at least 1; got {sets}, {number}")
    if not 0 <= spread < np.inf:
        raise ValueError(f"spread must be finite and non-negative; got {spread}")
    angle = 2 * np.pi * generator.random((sets, number))
    radius = 1 + spread * generator.standard_normal((sets, number))
    return torch.from_numpy(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1))


class LongRun(NamedTuple):
    """The stored experiment: A arms, two data sizes, k in ``marks``, M data sets.

    ``train``, ``test`` (exact losses of the averaged parameters), ``memorised`` (fraction of 200
    denoised samples with d1/d2 < 1/3) and ``clipped`` (fraction of steps so far) are
    ``(2, A, marks, M)``; ``null (2, M)`` is that of fresh points, not denoised; ``traces``
    ``(2, 10)`` are the measured tr Sig_txi and ``noise_std (2,)`` the isotropic noise they give.
    """

    seed: int
    sizes: tuple[int, ...]
    arms: tuple[str, ...]
    marks: np.ndarray
    train: np.ndarray
    test: np.ndarray
    memorised: np.ndarray
    clipped: np.ndarray
    null: np.ndarray
    traces: np.ndarray
    noise_std: np.ndarray


def gradient_noise_long_run() -> LongRun:
    """Training with P = 1, 4, 16 resamples and two kinds of added noise for 4000 steps.

    The long run of notebook 20. Values are per data set, float64. ``data/make_long_run.py`` made
    the file, and its card in ``data/README.md`` says how. Raises ``DataUnavailable`` if the file
    is missing or its checksum is wrong.
    """
    arrays = _shipped(LONG_RUN_FILE, LONG_RUN_SHA256)
    values = {name: arrays[name].astype(np.float64)
              for name in ("train", "test", "memorised", "clipped", "null", "traces", "noise_std")}
    return LongRun(int(arrays["seed"]), tuple(arrays["sizes"].tolist()),
                   tuple(arrays["arms"].tolist()), arrays["marks"], **values)
