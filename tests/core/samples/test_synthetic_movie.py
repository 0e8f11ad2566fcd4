from __future__ import annotations

import numpy as np

from napari_unet_nuclei.core.samples.synthetic_movie import dividing_nuclei

SMALL = {"frames": 16, "shape": (160, 160), "count": 10, "divisions": 0.1, "gaps": 0.05}


def seen(labels: np.ndarray, number: int) -> np.ndarray:
    """Frames in which a nucleus is."""
    return np.flatnonzero((labels == number).any(axis=(1, 2)))


def test_movies_repeat_and_fit_their_labels():
    one, same = dividing_nuclei(**SMALL), dividing_nuclei(**SMALL)
    assert np.array_equal(one.image, same.image)
    assert np.array_equal(one.labels, same.labels)
    assert (one.axes, one.minutes, one.image.dtype, one.labels.dtype) == ("TYX", 5.0, np.uint16, np.int32)
    assert one.image.shape == one.labels.shape == (16, 160, 160)
    inside, outside = one.image[one.labels > 0], one.image[one.labels == 0]
    assert np.median(inside) > 1.5 * np.median(outside)


def test_mothers_end_when_their_two_daughters_begin():
    movie = dividing_nuclei(**SMALL)
    mothers = set(movie.parents.values())
    assert len(mothers) >= 3
    for mother in mothers:
        daughters = [daughter for daughter, of in movie.parents.items() if of == mother]
        assert len(daughters) == 2
        assert all(seen(movie.labels, one)[0] > seen(movie.labels, mother)[-1] for one in daughters)


def test_nuclei_vanish_for_a_frame_or_two_and_come_back_as_the_same():
    labels = dividing_nuclei(**SMALL).labels
    missed = [np.diff(seen(labels, number)) - 1 for number in np.unique(labels)[1:]]
    gaps = np.concatenate(missed)
    assert (gaps > 0).sum() >= 3
    assert gaps.max() <= 4  # two gaps may follow each other


def test_nuclei_go_as_fast_as_asked():
    def median_step(speed: float) -> float:
        labels = dividing_nuclei(**{**SMALL, "speed": speed, "frames": 8, "divisions": 0.0, "gaps": 0.0}).labels
        steps = []
        for number in np.unique(labels)[1:]:
            centres = [np.argwhere(frame == number).mean(axis=0) for frame in labels]
            steps += np.linalg.norm(np.diff(centres, axis=0), axis=1).tolist()
        return float(np.median(steps))

    slow, fast = median_step(0.05), median_step(0.3)
    assert slow < 3
    assert fast > 2.5 * slow
