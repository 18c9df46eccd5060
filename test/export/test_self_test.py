"""The gates let a healthy answer through and name what is wrong with a sick one."""

import contextlib

import numpy as np
import pytest
from fake_tensorrt import sgbm

from ffstereo_ros.errors import BackendError
from ffstereo_ros.export.self_test import (
    UNTRAINED,
    judge,
    known_shift_case,
    pack_cases,
    record_cases,
    require_passed,
    run_self_test,
    unpack_cases,
)
from ffstereo_ros.export.self_test_pairs import room_pair, shift_of, shifted_pair

H, W, D = 96, 160, 64


@pytest.mark.parametrize("size", [(96, 160), (288, 384), (480, 640)])
def test_the_drawn_room_is_a_stereo_pair(size):
    pair = room_pair(*size, 192)
    assert pair.truth.min() > 5
    assert pair.truth.max() < 96
    error = np.abs(sgbm(pair.left, pair.right, 192) - pair.truth)[:, 60:]
    assert np.median(error) < 0.3
    assert np.mean(error > 2) < 0.12  # measured 0.085 at 96x160, where surfaces are narrow; 0.020 at 480x640


def test_the_pairs_are_the_same_each_time():
    assert np.array_equal(room_pair(H, W, D).right, room_pair(H, W, D).right)
    assert np.array_equal(shifted_pair(H, W, D).left, shifted_pair(H, W, D).left)


def test_the_known_shift_is_exact():
    pair = shifted_pair(H, W, D)
    s = shift_of(D)
    assert np.array_equal(pair.left[:, s:], pair.right[:, :-s])
    assert np.isnan(pair.truth[:, :s]).all()
    assert (pair.truth[:, s:] == s).all()


def cases():
    return record_cases(sgbm, H, W, D)


def failed(change):
    """The refusal of an engine that answers `change` of the right answer."""
    with pytest.raises(BackendError) as caught:
        require_passed("engine x", run_self_test(lambda left, right: change(sgbm(left, right)), cases()))
    return str(caught.value)


def test_the_right_answer_passes():
    verdicts = run_self_test(sgbm, cases())
    require_passed("engine x", verdicts)
    assert [verdict.case for verdict in verdicts] == ["known shift", "drawn room against PyTorch"]


def test_half_precision_noise_passes():
    noise = np.random.default_rng(0).normal(0, 0.1, (H, W)).astype(np.float32)
    require_passed("engine x", run_self_test(lambda left, right: sgbm(left, right) + noise, cases()))


def spoilt(rows, value):
    def change(answer):
        answer = answer.copy()
        answer[rows] = value
        return answer

    return change


def test_one_nan_is_enough():
    text = failed(spoilt((5, 5), np.nan))
    assert "1 not finite" in text
    assert "likely cause: numbers overflow in half precision" in text


def test_one_negative_is_enough():
    assert "1 negative" in failed(spoilt((5, 5), -0.01))


def test_many_negatives_point_at_the_normalisation():
    assert "wrong normalisation" in failed(spoilt(slice(0, 8), -4.0))


def test_another_unit_is_recognised():
    assert "0.25 times what it should be" in failed(lambda answer: answer / 4)


def test_an_unrelated_answer_is_recognised():
    assert "answers unrelated to the images" in failed(lambda answer: np.roll(answer, 70, axis=0) + 20)


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        (lambda answer: answer + 0.6, "mean 0.600 px"),
        (spoilt(slice(0, 4), 12.0), "bad2 4.17 %"),
        (lambda answer: answer * np.linspace(0.9, 1.1, H, dtype=np.float32)[:, None], "cosine 0.99"),
    ],
)
def test_each_gate_refuses_alone(change, gate):
    text = failed(change)
    assert gate in text
    assert "is not used" in text


def test_nothing_finite_is_refused():
    assert "15360 not finite" in failed(lambda answer: answer * np.nan)


def test_untrained_weights_are_compared_with_pytorch_alone():
    def untrained(left, right):
        return left[..., 0].astype(np.float32)

    recorded = record_cases(untrained, H, W, D)
    assert recorded[0].name == UNTRAINED
    require_passed("engine x", run_self_test(untrained, recorded))


def test_columns_that_only_one_camera_sees_are_not_compared():
    case = known_shift_case(H, W, D)
    answer = np.full((H, W), float(shift_of(D)), np.float32)
    answer[:, : shift_of(D)] = 60
    assert judge(case, answer).passed


def test_cases_survive_the_disk(tmp_path):
    path = tmp_path / "self_test.npz"
    path.write_bytes(pack_cases(cases()))
    for one, other in zip(cases(), unpack_cases(path, H, W), strict=True):
        assert one.name == other.name
        assert np.array_equal(one.left, other.left)
        assert np.array_equal(one.expected, other.expected, equal_nan=True)


def test_cases_of_another_size_and_none_at_all_are_refused(tmp_path):
    path = tmp_path / "self_test.npz"
    path.write_bytes(pack_cases(cases()))
    with pytest.raises(BackendError, match="not of this engine's size"):
        unpack_cases(path, H, W + 32)
    path.write_bytes(pack_cases([]))
    with pytest.raises(BackendError, match="not of this engine's size"):
        unpack_cases(path, H, W)


def test_whatever_is_damaged_in_cases_is_told_as_damage(tmp_path):
    """Single bytes changed in the headers alone make zipfile and NumPy raise a dozen kinds of errors."""
    path = tmp_path / "self_test.npz"
    whole = pack_cases(cases())
    path.write_bytes(whole[:500])
    with pytest.raises(BackendError, match="build the engine again"):
        unpack_cases(path, H, W)
    directory = whole.index(b"PK\x01\x02")
    for offset in range(46):
        path.write_bytes(whole[: directory + offset] + b"\xff" + whole[directory + offset + 1 :])
        with contextlib.suppress(BackendError):
            unpack_cases(path, H, W)
