from __future__ import annotations

import numpy as np

from seemkit.types import Size
from seemkit_prompts.curve import by_angle, clip, closed_curve


def test_it_is_the_reference_s(golden_file):
    golden = np.load(golden_file("bezier.golden.npz"))
    curve = closed_curve(by_angle(golden["points"]))
    np.testing.assert_allclose(curve, np.stack((golden["x"], golden["y"]), axis=1), atol=1e-12)
    single = closed_curve(golden["points"][:1])
    np.testing.assert_allclose(single, np.stack((golden["x_single"], golden["y_single"]), axis=1), atol=1e-12)


def test_it_passes_through_its_points_and_closes():
    points = np.array([[10.0, 10], [50, 12], [40, 40]])
    curve = closed_curve(points, samples=50)
    assert curve.shape == (150, 2)
    np.testing.assert_allclose(curve[::50], points)
    np.testing.assert_allclose(curve[-1], points[0])


def test_straight_edges():
    points = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
    curve = closed_curve(points, radius=0)
    assert (np.isclose(curve, 0, atol=1e-9) | np.isclose(curve, 10)).any(axis=1).all()


def test_two_points_make_a_loop():
    assert np.isfinite(closed_curve(np.array([[0.0, 0], [10, 0]]))).all()
    assert np.isfinite(closed_curve(np.array([[1.0, 1], [1, 1]]))).all()


def test_clip():
    square = np.array([[-10.0, -10], [20, -10], [20, 8], [-10, 8]])
    assert {tuple(corner) for corner in clip(square, Size(40, 50))} == {(0, 0), (20, 0), (20, 8), (0, 8)}
    inner = np.array([[5.0, 5], [20, 6], [12, 30]])
    np.testing.assert_array_equal(clip(inner, Size(40, 50)), inner)
    assert len(clip(inner - 100, Size(40, 50))) == 0
    around = np.array([[-500.0, -500], [500, -500], [500, 500], [-500, 500]])
    assert {tuple(corner) for corner in clip(around, Size(40, 50))} == {(0, 0), (50, 0), (50, 40), (0, 40)}
