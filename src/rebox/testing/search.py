"""The tests that every search passes.

::

    class TestMySearch(SearchContract):
        @pytest.fixture
        def search(self):
            return MySearch()

pytest then finds and runs the tests of `SearchContract`.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rebox.search.contract import Search, SearchState, Vector

Losses = Callable[[NDArray[np.floating]], NDArray[np.float64]]
"""From points (1, d) or (n, d) to the losses (n,) of n samples."""


class SearchContract:
    """Inherit, supply a fixture ``search``, and pytest finds the tests.

    Attributes
    ----------
    dimension : int
        Number d of coordinates.
    samples : int
        Number n of samples in the batch.
    steps : int
        Steps within which the loss has to fall.
    remains : float
        Share of the first loss that may remain after so many steps.
    """

    dimension: ClassVar[int] = 10
    samples: ClassVar[int] = 4
    steps: ClassVar[int] = 100
    remains: ClassVar[float] = 0.5

    def test_asking_twice_gives_the_same_points(self, search: Search[Any]) -> None:
        """The same state asks the same points, whether they are stored or made again."""
        state = search.init(self._start(), 0)
        points = search.ask(state, self.samples)
        _check_same(points, list(points))
        _check_same(points, search.ask(state, self.samples))

    def test_points_keep_the_shape_law(self, search: Search[Any]) -> None:
        """It asks k points, each (1, d) or (n, d), at every step."""
        state = search.init(self._start(), 0)
        assert search.evaluations_at(state) == search.evaluations(self.dimension)
        for _ in range(3):
            points = search.ask(state, self.samples)
            assert len(points) == search.evaluations_at(state)
            shapes = {np.shape(point) for point in points}
            assert shapes <= {(1, self.dimension), (self.samples, self.dimension)}
            state = search.tell(state, self._losses(points, self._quadratic))

    def test_state_counts_steps(self, search: Search[Any]) -> None:
        """The state remembers the seed and how many times it was told."""
        states = self._trajectory(search, seed=3, steps=3)
        assert [state.step for state in states] == [0, 1, 2, 3]
        assert {state.seed for state in states} == {3}
        np.testing.assert_array_equal(states[0].position, self._start())

    def test_states_never_change(self, search: Search[Any]) -> None:
        """Neither asking nor telling changes the state that was handed in, nor the start."""
        start = self._start()
        state = search.init(start, 0)
        for _ in range(3):
            before = list(_contents(state))
            following = self._step(search, state, self._quadratic)
            assert list(_contents(state)) == before
            state = following
        np.testing.assert_array_equal(start, self._start())

    def test_the_same_seed_replays(self, search: Search[Any]) -> None:
        """A run depends on nothing but its start, its seed and the losses."""
        first = self._trajectory(search, seed=1, steps=5)
        second = self._trajectory(search, seed=1, steps=5)
        _check_same([s.position for s in first], [s.position for s in second])
        points = [search.ask(states[-1], self.samples) for states in (first, second)]
        _check_same(*points)

    def test_another_seed_differs(self, search: Search[Any]) -> None:
        """Two seeds ask different points, and so do two steps."""
        one, other = (self._trajectory(search, seed=s, steps=1) for s in (1, 2))
        asked = [search.ask(states[0], self.samples) for states in (one, other)]
        assert any(not np.array_equal(a, b) for a, b in zip(*asked, strict=True))
        first, second = (
            [point - state.position for point in search.ask(state, self.samples)] for state in one
        )
        assert any(not np.allclose(a, b) for a, b in zip(first, second, strict=True))

    def test_it_lowers_a_quadratic(self, search: Search[Any]) -> None:
        """The loss at the solution falls to a share of what it was at the start."""
        states = self._trajectory(search, seed=0, steps=self.steps)
        losses = [self._quadratic(search.solution(s)[None, :]).mean() for s in states]
        assert losses[-1] < self.remains * losses[0]

    def test_a_step_that_was_cut_short_leaves_it_finite(self, search: Search[Any]) -> None:
        """Losses that are not known are NaN; where none is, it stays where it is."""
        state = search.init(self._start(), 0)
        points = search.ask(state, self.samples)
        losses = self._losses(points, self._quadratic)
        for known in range(len(points)):
            cut = np.where(np.arange(len(points))[:, None] < known, losses, np.nan)
            told = search.tell(state, cut)
            assert np.isfinite(search.solution(told)).all()
            if not known:
                np.testing.assert_array_equal(search.solution(told), search.solution(state))

    def test_equal_losses_leave_it_finite(self, search: Search[Any]) -> None:
        """A loss without any slope moves it nowhere infinite."""
        state = search.init(self._start(), 0)
        for _ in range(self.steps):
            state = self._step(search, state, lambda _: np.ones(self.samples))
            assert np.isfinite(state.position).all()
            assert np.isfinite(search.solution(state)).all()

    def _start(self) -> Vector:
        return np.linspace(-0.5, 0.5, self.dimension)

    def _quadratic(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return losses (n,): the samples' minima differ, their mean is at 1."""
        minima = 1 + np.linspace(-0.1, 0.1, self.samples)[:, None]
        curvature = np.linspace(0.5, 1.5, self.dimension)
        losses: NDArray[np.float64] = ((points - minima) ** 2 @ curvature) / 2
        return losses

    def _losses(self, points: Any, loss: Losses) -> NDArray[np.float64]:
        asked = [np.asarray(point) for point in points]
        assert all(np.isfinite(point).all() for point in asked), "it asked a point with NaN"
        return np.stack([loss(point) for point in asked])

    def _step(self, search: Search[Any], state: SearchState, loss: Losses) -> Any:
        return search.tell(state, self._losses(search.ask(state, self.samples), loss))

    def _trajectory(self, search: Search[Any], seed: int, steps: int) -> list[Any]:
        states = [search.init(self._start(), seed)]
        for _ in range(steps):
            states.append(self._step(search, states[-1], self._quadratic))
        return states


def _check_same(first: Any, second: Any) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def _contents(value: Any) -> Iterator[bytes]:
    """Yield every array and number within ``value``, as bytes: NaN equals itself."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _contents(item)
    elif isinstance(value, np.ndarray) or not hasattr(value, "__dict__"):
        yield np.asarray(value).tobytes()
    else:
        for item in vars(value).values():
            yield from _contents(item)
