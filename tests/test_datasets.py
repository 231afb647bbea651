"""Data sets: what the arrays are, where they come from, how they are split and scaled."""

import gzip
import hashlib
import importlib.resources
import io
import re
import sys
import tarfile
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_stability.data import make_long_run
from sklearn.datasets import load_digits

from score_stability import datasets
from score_stability.datasets import DataUnavailable, Images, Standardisation


@pytest.fixture(scope="module")
def mnist():
    return datasets.mnist()


@pytest.fixture(scope="module")
def digits():
    return datasets.digits()


def tiny(n=12, d=6, shape=(2, 3), seed=0):
    """Images whose label is the row number, so that a row can be followed."""
    pixels = np.random.default_rng(seed).random((n, d))
    return Images("tiny", pixels, np.arange(n), shape)


# The files and their card


def package_file(name):
    return importlib.resources.files("score_stability.data") / name


def sha256(raw):
    return hashlib.sha256(raw).hexdigest()


def test_the_card_states_the_checksums_of_what_is_shipped():
    card = package_file("README.md").read_text(encoding="utf-8")
    stated = re.findall(r"`([0-9a-f]{64})`", card)
    raw = package_file("mnist_5000.npz").read_bytes()
    with np.load(io.BytesIO(raw)) as file:
        images, labels = file["images"], file["labels"]
    assert images.dtype == labels.dtype == np.uint8
    long_run = package_file("gradient_noise_long_run.npz").read_bytes()
    found = [load_digits().data.astype(np.uint8).tobytes(), raw, images.tobytes(),
             labels.tobytes(), long_run]
    source = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
    assert [value for value in stated if value != source] == [sha256(item) for item in found]
    assert len(raw) < 1_200_000 and len(long_run) < 500_000


def test_mnist_has_500_images_of_each_class_sorted(mnist):
    assert mnist.pixels.shape == (5000, 784) and mnist.shape == (28, 28)
    assert mnist.pixels.dtype == np.float64 and mnist.labels.dtype == np.int64
    assert mnist.pixels.min() == 0 and mnist.pixels.max() == 1
    np.testing.assert_array_equal(mnist.labels, np.repeat(np.arange(10), 500))
    np.testing.assert_array_equal(mnist.pixels * 255, np.rint(mnist.pixels * 255))


def test_digits_are_scikit_learns_divided_by_16(digits):
    assert digits.pixels.shape == (1797, 64) and digits.shape == (8, 8)
    np.testing.assert_array_equal(digits.pixels * 16, load_digits().data)
    np.testing.assert_array_equal(digits.labels, load_digits().target)
    assert digits.pixels.max() == 1


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_a_linear_classifier_can_read_the_labels(name):
    """Labels belong to their rows: a shift by one row would make this fail."""
    from sklearn.linear_model import RidgeClassifier

    images = datasets.load(name)
    train, held_out = datasets.split(images, [1200, 500], np.random.default_rng(0))
    score = (
        RidgeClassifier().fit(train.pixels, train.labels).score(held_out.pixels, held_out.labels)
    )
    assert score > 0.7  # chance: 0.1


def test_quirks_stated_on_the_card(mnist, digits):
    from sklearn.neighbors import NearestNeighbors

    def two_nearest(x):
        found = NearestNeighbors(n_neighbors=3, algorithm="brute").fit(x).kneighbors(x)[1]
        return np.stack([np.sum((x - x[found[:, k]]) ** 2, axis=1) for k in (1, 2)])

    integers = digits.pixels * 16
    near, next_ = two_nearest(integers)
    assert (near == next_).sum() == 18 and near.min() == 28
    assert np.sqrt((near / next_).min()) == pytest.approx(0.5114, abs=0.0001)
    assert ((integers == 0).all(axis=0)).sum() == 3

    near, next_ = np.sqrt(two_nearest(mnist.pixels))
    assert near.min() == pytest.approx(1.174, abs=0.001) and set(near.argsort()[:2]) == {609, 615}
    assert np.median(near) == pytest.approx(4.918, abs=0.001)
    assert (near / next_).min() == pytest.approx(0.4535, abs=0.0001)
    assert ((mnist.pixels == 0).all(axis=0)).sum() == 121


@pytest.mark.parametrize(("function", "name"), [
    (datasets.mnist, "mnist_5000.npz"),
    (datasets.gradient_noise_long_run, "gradient_noise_long_run.npz"),
])
def test_a_damaged_or_missing_file_is_not_used(function, name, monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.importlib.resources, "files", lambda package: tmp_path)
    with pytest.raises(DataUnavailable, match=f"{re.escape(name)} is missing"):
        function()
    (tmp_path / name).write_bytes(b"not the file")
    with pytest.raises(DataUnavailable, match="sha256"):
        function()


# The stored experiment


def test_the_long_run_is_what_its_card_says():
    run = datasets.gradient_noise_long_run()
    assert run.sizes == (8, 16) and run.marks[[0, -1]].tolist() == [50, 4000]
    assert run.arms == ("P = 1", "P = 4", "P = 16", "matched", "isotropic")
    shape = (2, 5, len(run.marks), 40)
    for name in ("train", "test", "memorised", "clipped"):
        values = getattr(run, name)
        assert values.shape == shape and values.dtype == np.float64 and (values >= 0).all(), name
    assert run.null.shape == (2, 40) and run.traces.shape == (2, 10)
    for fractions in (run.memorised, run.clipped, run.null):
        assert fractions.max() <= 1
    # The sizes of the noise are those of the traces: s² d = eta² tr/N_B.
    net = make_long_run.NET.parameters
    np.testing.assert_allclose(run.noise_std**2 * net, 0.01 * run.traces.mean(axis=1) / 4)
    # Samples are counted in 200ths, steps in k-ths.
    np.testing.assert_allclose(run.memorised * 200, np.rint(run.memorised * 200), atol=1e-4)
    steps = run.clipped * run.marks[:, None]
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


def test_the_script_makes_a_file_that_the_loader_reads(monkeypatch, tmp_path, capsys):
    file = tmp_path / datasets.LONG_RUN_FILE
    monkeypatch.setattr(sys, "argv", ["make_long_run.py", "--steps", "50", "--datasets", "2",
                                      "--file", str(file)])
    make_long_run.main()
    assert len(capsys.readouterr().out.splitlines()) == 10
    monkeypatch.setattr(datasets.importlib.resources, "files", lambda package: tmp_path)
    monkeypatch.setattr(datasets, "LONG_RUN_SHA256", sha256(file.read_bytes()))
    run = datasets.gradient_noise_long_run()
    assert run.train.shape == (2, 5, 1, 2) and run.marks.tolist() == [50] and run.seed == 0
    # The matched arm has the minibatches of the others and other draws of (t, xi).
    assert (run.train[:, 2] != run.train[:, 3]).all()


def test_the_script_prints_the_null_and_writes_nothing(monkeypatch, tmp_path, capsys):
    file = tmp_path / datasets.LONG_RUN_FILE
    monkeypatch.setattr(sys, "argv", ["make_long_run.py", "--null", "--steps", "50", "--datasets",
                                      "2", "--file", str(file)])
    make_long_run.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[1] for line in lines] == [" P = 1", " P = 16"]
    # Hardly trained, the denoiser leaves exact copies near their points; samples are scattered.
    for line in lines:
        samples, held_out, exact = (float(part.split()[-3]) for part in line.split("  ")[1:])
        assert samples < exact and held_out < exact
    assert not file.exists()


def test_load_dispatches_and_lists_the_names(mnist, tmp_path):
    np.testing.assert_array_equal(datasets.load("mnist").pixels, mnist.pixels)
    with pytest.raises(ValueError, match=r"name must be one of digits, mnist, cifar10.*'celeba'"):
        datasets.load("celeba")
    with pytest.raises(DataUnavailable):
        datasets.load("cifar10", folder=tmp_path)


# Images


@pytest.mark.parametrize(
    ("change", "error", "argument"),
    [
        ({"name": 3}, TypeError, "name"),
        ({"pixels": np.zeros((12, 6), complex)}, TypeError, "pixels"),
        ({"pixels": np.full((12, 6), 255, np.uint8)}, ValueError, "pixels"),
        ({"pixels": np.full((12, 6), np.nan)}, ValueError, "pixels"),
        ({"pixels": np.zeros((0, 6))}, ValueError, "pixels"),
        ({"pixels": np.zeros(6)}, ValueError, "pixels"),
        ({"pixels": np.full((12, 6), 1.5)}, ValueError, "pixels"),
        ({"pixels": np.full((12, 6), -0.5)}, ValueError, "pixels"),
        ({"labels": np.zeros(12)}, TypeError, "labels"),
        ({"labels": np.zeros(11, int)}, ValueError, "labels"),
        ({"labels": np.zeros((12, 1), int)}, ValueError, "labels"),
        ({"shape": (3, 3)}, ValueError, "shape"),
        ({"shape": (6,)}, ValueError, "shape"),
        ({"shape": (1, 2, 3, 1)}, ValueError, "shape"),
        ({"shape": (3, 1, 2)}, ValueError, "shape"),
        ({"shape": (-2, -3)}, TypeError, "shape"),
        ({"shape": 6}, TypeError, "shape"),
    ],
)
def test_images_name_the_wrong_field(change, error, argument):
    good = {"name": "x", "pixels": np.zeros((12, 6)), "labels": np.zeros(12, int), "shape": (2, 3)}
    assert len(Images(**good)) == 12
    with pytest.raises(error, match=f"^{argument} "):
        Images(**(good | change))


# Splits


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 2**32))
def test_parts_are_disjoint_reproducible_and_keep_rows_together(sizes, seed):
    images = tiny(n=20)
    parts = datasets.split(images, sizes, np.random.default_rng(seed))
    again = datasets.split(images, sizes, np.random.default_rng(seed))
    rows = np.concatenate([part.labels for part in parts])
    assert [len(part) for part in parts] == sizes
    assert len(set(rows)) == sum(sizes)
    for part, same in zip(parts, again, strict=True):
        np.testing.assert_array_equal(part.labels, same.labels)
        np.testing.assert_array_equal(part.pixels, images.pixels[part.labels])
        assert (part.name, part.shape) == ("tiny", (2, 3))


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4), seed=st.integers(0, 2**32))
def test_one_permutation_of_fixed_shape_is_drawn(sizes, seed):
    """Sizes change neither what is drawn later nor where an image stands in the order."""
    one, other = np.random.default_rng(seed), np.random.default_rng(seed)
    parts = datasets.split(tiny(n=20), sizes, one)
    [whole] = datasets.split(tiny(n=20), [20], other)
    assert one.random() == other.random()
    rows = np.concatenate([part.labels for part in parts])
    np.testing.assert_array_equal(rows, whole.labels[: len(rows)])


def test_split_depends_on_the_generator_only():
    state = np.random.get_state()[1].copy()
    a = datasets.split(tiny(200), [100], np.random.default_rng(1))[0].labels
    np.random.default_rng(5).random(7)
    b = datasets.split(tiny(200), [100], np.random.default_rng(1))[0].labels
    c = datasets.split(tiny(200), [100], np.random.default_rng(2))[0].labels
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_a_split_of_mnist_holds_every_class(mnist):
    """The file is sorted by class: the first 1000 rows would be zeros and ones."""
    [part] = datasets.split(mnist, [1000], np.random.default_rng(0))
    assert np.bincount(part.labels, minlength=10).min() > 60  # mean 100, deviation 8.5
    assert set(mnist.labels[:1000]) == {0, 1}


@pytest.mark.parametrize(
    ("images", "sizes", "generator", "error", "argument"),
    [
        (None, [1], np.random.default_rng(0), TypeError, "images"),
        (tiny(), [1], 0, TypeError, "generator"),
        (tiny(), [1], np.random.RandomState(0), TypeError, "generator"),
        (tiny(), 5, np.random.default_rng(0), TypeError, "sizes"),
        (tiny(), [1.0], np.random.default_rng(0), TypeError, "sizes"),
        (tiny(), [True], np.random.default_rng(0), TypeError, "sizes"),
        (tiny(), [0, 1], np.random.default_rng(0), ValueError, "sizes"),
        (tiny(), [-1], np.random.default_rng(0), ValueError, "sizes"),
        (tiny(), [], np.random.default_rng(0), ValueError, "sizes"),
        (tiny(), [12, 1], np.random.default_rng(0), ValueError, "sizes"),
    ],
)
def test_split_names_the_wrong_argument(images, sizes, generator, error, argument):
    with pytest.raises(error, match=f"^{argument} "):
        datasets.split(images, sizes, generator)


# Standardisation


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_the_covariance_of_the_training_set_has_trace_d(name):
    images = datasets.load(name)
    train, held_out = datasets.split(images, [700, 300], np.random.default_rng(0))
    x, y = datasets.standardise(train, held_out)
    assert x.dtype == y.dtype == np.float64
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-13)
    assert np.trace(np.cov(x.T, bias=True)) == pytest.approx(x.shape[1], rel=1e-12)
    # One scalar for all: distances keep their ratios, here between the two sets too.
    before = np.linalg.norm(train.pixels[:300] - held_out.pixels, axis=1)
    after = np.linalg.norm(x[:300] - y, axis=1)
    np.testing.assert_allclose(after / before, (after / before)[0], rtol=1e-12)


@settings(max_examples=50)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), seed=st.integers(0, 99))
def test_standardising_forgets_the_units(scale, shift, seed):
    x = np.random.default_rng(seed).normal(size=(9, 4))
    y = np.random.default_rng(seed + 1).normal(size=(3, 4))
    plain = datasets.standardise(x, y)
    moved = datasets.standardise(scale * x + shift, scale * y + shift)
    for a, b in zip(plain, moved, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
    np.testing.assert_allclose(datasets.standardise(plain[0])[0], plain[0], atol=1e-12)


def test_to_pixels_inverts(digits):
    rule = Standardisation.of(digits)
    np.testing.assert_allclose(rule.to_pixels(rule(digits)), digits.pixels, atol=1e-14)
    np.testing.assert_array_equal(datasets.standardise(digits)[0], rule(digits.pixels))


@pytest.mark.parametrize(
    "constant", [np.full((3, 4), 0.1), np.ones((1, 4)), 1e-200 * np.arange(8.0).reshape(2, 4)]
)
def test_a_constant_training_set_has_no_scale(constant):
    """Ten times 0.1 has a computed mean that is not 0.1: the scale would be a rounding error."""
    with pytest.raises(ValueError, match=r"^train "):
        datasets.standardise(constant)


def test_standardise_names_the_wrong_argument():
    rule = Standardisation.of(tiny())
    with pytest.raises(TypeError, match=r"^train "):
        datasets.standardise([["0", "1"]])
    with pytest.raises(ValueError, match=r"^train "):
        datasets.standardise(np.array([[0.0, np.inf]]))
    with pytest.raises(ValueError, match=r"^images must have 6 columns"):
        datasets.standardise(tiny(), np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"^array must have 6 columns"):
        rule.to_pixels(np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"^array "):
        rule.to_pixels(np.full((2, 6), np.nan))


# CIFAR-10, from an archive in the official layout that we make


def write_cifar(folder, rows=3, archive=False):
    """Write the official layout; return images (n, 32, 32, 3), uint8, and labels, in file order."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (5 * rows, 32, 32, 3), dtype=np.uint8)
    labels = generator.integers(0, 10, 5 * rows, dtype=np.uint8)
    files = {"test_batch.bin": bytes(3073), "batches.meta.txt": b"airplane\n"}
    for batch in range(5):
        raw = bytearray()
        for i in range(batch * rows, (batch + 1) * rows):
            raw.append(labels[i])
            for channel in range(3):
                raw += images[i, :, :, channel].tobytes()
        files[f"data_batch_{batch + 1}.bin"] = bytes(raw)
    if archive:
        with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as tar:
            for name, raw in sorted(files.items()):
                member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                member.size = len(raw)
                tar.addfile(member, io.BytesIO(raw))
    else:
        (folder / "cifar-10-batches-bin").mkdir()
        for name, raw in files.items():
            (folder / "cifar-10-batches-bin" / name).write_bytes(raw)
    return images, labels


@pytest.fixture
def nowhere(monkeypatch, tmp_path_factory):
    """No environment variable, nothing in data/, no torchvision."""
    monkeypatch.delenv("SCORE_STABILITY_DATA", raising=False)
    monkeypatch.setattr(datasets, "_data_folder", lambda: tmp_path_factory.mktemp("empty"))
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)


def test_the_data_folder_is_the_one_that_is_shipped():
    assert (datasets._data_folder() / "mnist_5000.npz").is_file()


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("limit", [None, 1, 3, 7, 100])
def test_cifar10_reads_the_official_layout(tmp_path, archive, limit):
    expected, labels = write_cifar(tmp_path, archive=archive)
    found = datasets.cifar10(tmp_path, limit=limit)
    assert found.shape == (32, 32, 3) and found.name == "cifar10"
    drawn = found.pixels.reshape(-1, 32, 32, 3)
    np.testing.assert_array_equal(drawn * 255, expected[:limit])
    np.testing.assert_array_equal(found.labels, labels[:limit])


def test_cifar10_is_found_by_the_environment_variable_and_in_data(nowhere, monkeypatch, tmp_path):
    _, labels = write_cifar(tmp_path)
    monkeypatch.setenv("SCORE_STABILITY_DATA", str(tmp_path))
    np.testing.assert_array_equal(datasets.cifar10().labels, labels)
    # A folder that is passed is the only place looked in.
    with pytest.raises(DataUnavailable):
        datasets.cifar10(tmp_path / "cifar-10-batches-bin")
    monkeypatch.delenv("SCORE_STABILITY_DATA")
    monkeypatch.setattr(datasets, "_data_folder", lambda: tmp_path)
    np.testing.assert_array_equal(datasets.cifar10().labels, labels)


def test_without_cifar10_the_message_says_what_to_do(nowhere, tmp_path):
    assert datasets._data_folder().is_dir()
    with pytest.raises(DataUnavailable) as caught:
        datasets.cifar10(tmp_path)
    message = str(caught.value)
    for part in (
        str(tmp_path),
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "cifar-10-binary.tar.gz",
        "`folder`",
        "SCORE_STABILITY_DATA",
        "download=True",
    ):
        assert part in message
    with pytest.raises(DataUnavailable, match="pip install torchvision"):
        datasets.cifar10(tmp_path, download=True)
    with pytest.raises(DataUnavailable):
        datasets.cifar10()


def test_cifar10_from_torchvision(nowhere, monkeypatch, tmp_path):
    images, labels = write_cifar(tmp_path)
    roots = []

    def fake(root, train, download):
        assert train and download
        roots.append(root)
        return types.SimpleNamespace(data=images, targets=labels.tolist())

    module = types.SimpleNamespace(CIFAR10=fake)
    monkeypatch.setitem(sys.modules, "torchvision", types.SimpleNamespace(datasets=module))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
    empty = tmp_path / "empty"
    there = datasets.cifar10(tmp_path, download=True, limit=7)  # found: nothing is downloaded
    assert roots == []
    fetched = datasets.cifar10(empty, download=True, limit=7)
    np.testing.assert_array_equal(there.pixels, fetched.pixels)
    np.testing.assert_array_equal(there.labels, fetched.labels)
    monkeypatch.setenv("HOME", str(tmp_path))
    datasets.cifar10(download=True)
    assert roots[0] == str(empty) and "score-stability" in roots[1]

    def offline(root, train, download):
        raise OSError("no network")

    module.CIFAR10 = offline
    with pytest.raises(DataUnavailable, match="no network"):
        datasets.cifar10(empty, download=True)


@pytest.mark.parametrize("size", [0, 3072, 3 * 3073 - 1])
def test_a_truncated_batch_is_named(tmp_path, size):
    write_cifar(tmp_path)
    path = tmp_path / "cifar-10-batches-bin" / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=rf"^data_batch_2\.bin has {size} bytes"):
        datasets.cifar10(tmp_path)


def test_a_wrong_label_or_a_missing_batch_is_named(tmp_path):
    write_cifar(tmp_path)
    path = tmp_path / "cifar-10-batches-bin" / "data_batch_3.bin"
    path.write_bytes(b"\x0a" + path.read_bytes()[1:])
    with pytest.raises(ValueError, match=r"^data_batch_3\.bin has a label above 9"):
        datasets.cifar10(tmp_path)
    path.unlink()
    with pytest.raises(DataUnavailable, match=r"^data_batch_3\.bin is missing"):
        datasets.cifar10(tmp_path)


def test_a_damaged_archive_is_named(tmp_path):
    write_cifar(tmp_path, archive=True)
    path = tmp_path / "cifar-10-binary.tar.gz"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for raw in (
        b"",
        b"not an archive",
        whole[: len(whole) // 2],
        whole[:-4],
        bytes(flipped),
        gzip.compress(b"no tar"),
    ):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match=r"^cifar-10-binary\.tar\.gz is truncated"):
            datasets.cifar10(tmp_path)
    folder = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    folder.type = tarfile.DIRTYPE
    for members in ([], [folder]):
        with tarfile.open(path, "w:gz") as tar:
            for member in members:
                tar.addfile(member)
        with pytest.raises(ValueError, match=r"^cifar-10-binary\.tar\.gz is truncated"):
            datasets.cifar10(tmp_path)


def link_to(target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["data_batch_1.bin", "cifar-10-batches-bin/data_batch_1.bin",
                                    "../secret", "cifar-10-batches-bin/test_batch.bin"])
def test_a_link_is_no_batch(tmp_path, kind, target):
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("secret", "cifar-10-batches-bin/test_batch.bin"):
            member = tarfile.TarInfo(name)
            member.size = datasets.CIFAR_ROW
            tar.addfile(member, io.BytesIO(bytes(member.size)))
        tar.addfile(link_to(target, kind))
    with pytest.raises(ValueError, match=r"^cifar-10-binary\.tar\.gz is truncated or not"):
        datasets.cifar10(tmp_path)


@pytest.mark.parametrize("archive", [False, True])
def test_no_more_is_read_than_the_official_files_hold(tmp_path, monkeypatch, archive):
    """Three rows a batch stand in for ten thousand."""
    assert (datasets._BATCH, datasets._ARCHIVE) == (30_730_000, 185_428_576)
    write_cifar(tmp_path, archive=archive)
    monkeypatch.setattr(datasets, "_BATCH", 3 * datasets.CIFAR_ROW)
    assert len(datasets.cifar10(tmp_path)) == 15
    monkeypatch.setattr(datasets, "_BATCH", 3 * datasets.CIFAR_ROW - 1)
    with pytest.raises(ValueError, match=r"^data_batch_1\.bin holds more than the 9218 bytes"):
        datasets.cifar10(tmp_path)


def test_an_archive_that_unpacks_to_too_much_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "_ARCHIVE", 2**16)
    read = []

    class Watched(gzip.GzipFile):
        def read(self, size=-1):
            read.append(size)
            return super().read(size)

    monkeypatch.setattr(datasets.gzip, "open", Watched)
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(gzip.compress(bytes(2**24)))
    with pytest.raises(ValueError, match=r"^cifar-10-binary\.tar\.gz holds more than the 65536"):
        datasets.cifar10(tmp_path)
    assert read == [2**16 + 1]
    # A hole that the archive claims to be large costs its memory only when it is read.
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        member.size = 512
        member.pax_headers = {"GNU.sparse.map": "0,512", "GNU.sparse.size": str(2**50)}
        tar.addfile(member, io.BytesIO(bytes(512)))
    with pytest.raises(ValueError, match=r"^data_batch_1\.bin holds more than the 30730000 bytes"):
        datasets.cifar10(tmp_path)


def test_without_a_home_folder_the_data_are_unavailable(nowhere, monkeypatch, tmp_path):
    def homeless(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(datasets.Path, "expanduser", homeless)
    monkeypatch.setattr(datasets.Path, "home", classmethod(homeless))
    module = types.SimpleNamespace(CIFAR10=None)
    monkeypatch.setitem(sys.modules, "torchvision", types.SimpleNamespace(datasets=module))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
    for options in ({"folder": "~/data"}, {"download": True}):
        with pytest.raises(DataUnavailable, match="Could not determine home directory"):
            datasets.cifar10(**options)


@pytest.mark.parametrize(("limit", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)])
def test_cifar10_names_a_wrong_limit(tmp_path, limit, error):
    write_cifar(tmp_path)
    with pytest.raises(error, match=r"^limit "):
        datasets.cifar10(tmp_path, limit=limit)


def test_noisy_ring():
    rings = datasets.noisy_ring(400, 50, np.random.default_rng(0))
    radius, angle = rings.norm(dim=2), rings[..., 1].atan2(rings[..., 0])
    assert tuple(rings.shape) == (400, 50, 2)
    assert float(radius.mean()) == pytest.approx(1, abs=5 * 0.1 / 20000**0.5)
    assert float(radius.std()) == pytest.approx(0.1, rel=0.03)
    assert float((3 * angle).cos().mean()) == pytest.approx(0, abs=5 * 0.5**0.5 / 20000**0.5)
    thin = datasets.noisy_ring(2, 3, np.random.default_rng(0), spread=0.0)
    assert thin.norm(dim=2).numpy() == pytest.approx(1.0)
    for arguments, words in (((0, 3), "sets"), ((2, 0), "sets and number")):
        with pytest.raises(ValueError, match=words):
            datasets.noisy_ring(*arguments, np.random.default_rng(0))
    with pytest.raises(ValueError, match="spread"):
        datasets.noisy_ring(1, 1, np.random.default_rng(0), spread=-1.0)


def test_unlabelled_images_are_refused_where_labels_are_needed():
    with pytest.raises(TypeError, match=r"^labels must be an integer numpy array"):
        Images("unlabelled", np.zeros((3, 4)), None, (2, 2))
    with pytest.raises(TypeError, match=r"^images must be Images"):
        datasets.split(np.zeros((3, 4)), [2], np.random.default_rng(0))  # pixels without labels


def test_nan_images_are_refused_everywhere(digits):
    broken = digits.pixels[:5].copy()
    broken[2, 3] = np.nan
    for call, argument in (
        (lambda: Images("broken", broken, digits.labels[:5], (8, 8)), "pixels"),
        (lambda: datasets.standardise(broken), "train"),
        (lambda: datasets.standardise(digits, broken), "images"),
    ):
        with pytest.raises(ValueError, match=rf"^{argument} must be finite \(no NaN"):
            call()


def test_without_a_network_the_caller_is_told_and_the_rest_still_works(
        nowhere, monkeypatch, tmp_path):
    """No data, a download that fails: a named error the notebook prints; digits and MNIST stay."""
    import socket

    def refuse(*args, **options):
        raise OSError("network is unreachable")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)

    def download(root, train, download):
        socket.create_connection(("www.cs.toronto.edu", 443))

    module = types.SimpleNamespace(CIFAR10=download)
    monkeypatch.setitem(sys.modules, "torchvision", types.SimpleNamespace(datasets=module))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", module)
    with pytest.raises(DataUnavailable, match="could not download CIFAR-10: network is unreach"):
        datasets.load("cifar10", folder=tmp_path, download=True)
    assert len(datasets.load("digits")) == 1797 and len(datasets.load("mnist")) == 5000
